{{/* What follows from the values, said once. A fact is true when it is not empty. */}}
{{- define "resproxy.hasRedis" -}}
{{- if or .Values.redis.url .Values.redis.existingSecret.name }}true{{ end }}
{{- end }}

{{- define "resproxy.replicas" -}}
{{- if kindIs "invalid" .Values.orchestrator.replicas -}}
{{- ternary 3 1 (eq (include "resproxy.hasRedis" .) "true") }}
{{- else -}}
{{- .Values.orchestrator.replicas | int }}
{{- end -}}
{{- end }}

{{/* Whether there may be several orchestrators. */}}
{{- define "resproxy.hasSeveral" -}}
{{- if or .Values.autoscaling.enabled (gt (include "resproxy.replicas" . | int) 1) }}true{{ end }}
{{- end }}

{{- define "resproxy.callerTls" -}}
{{- .Values.tls.existingSecret }}
{{- end }}

{{- define "resproxy.agentTls" -}}
{{- .Values.tls.agentExistingSecret | default .Values.tls.existingSecret }}
{{- end }}

{{/* Doors that have no certificate of their own: something in front terminates TLS. */}}
{{- define "resproxy.plainDoors" -}}
{{- $doors := list -}}
{{- if not (include "resproxy.agentTls" .) }}{{ $doors = append $doors "agent" }}{{ end -}}
{{- if not (include "resproxy.callerTls" .) }}{{ $doors = concat $doors (list "http" "grpc") }}{{ end -}}
{{- join "," $doors }}
{{- end }}

{{- define "resproxy.peerSecret" -}}
{{- if eq .Values.peer.mode "existingSecret" }}{{ .Values.peer.existingSecret }}{{ else }}{{ include "resproxy.fullname" . }}-peer{{ end }}
{{- end }}

{{- define "resproxy.callersSecret" -}}
{{- .Values.callers.existingSecret | default (printf "%s-callers" (include "resproxy.fullname" .)) }}
{{- end }}

{{/* Whether orchestrators read the keys of this cluster's tokens. */}}
{{- define "resproxy.issuerDiscovery" -}}
{{- $needed := .Values.callers.issuerDiscovery -}}
{{- range .Values.callers.providers }}{{ if eq .type "kubernetes" }}{{ $needed = true }}{{ end }}{{ end -}}
{{- if $needed }}true{{ end }}
{{- end }}

{{- define "resproxy.reportSecret" -}}
{{- .Values.operator.reportSecret | default (printf "%s-report" (include "resproxy.fullname" .)) }}
{{- end }}

{{- define "resproxy.tokenSecret" -}}
{{- .Values.test.tokenSecret | default (printf "%s-caller" (include "resproxy.fullname" .)) }}
{{- end }}

{{/* The Service of agents, as pods of the cluster dial it. */}}
{{- define "resproxy.innerAgentUrl" -}}
{{- $scheme := ternary "wss" "ws" (ne (include "resproxy.agentTls" .) "") -}}
{{- printf "%s://%s-agent.%s.svc:%v/agent" $scheme (include "resproxy.fullname" .) .Release.Namespace .Values.service.agent.port }}
{{- end }}

{{- define "resproxy.agentUrl" -}}
{{- if .Values.agentKeys.url -}}
{{- .Values.agentKeys.url }}
{{- else if .Values.ingress.agent.enabled -}}
wss://{{ .Values.ingress.agent.host }}/agent
{{- else if .Values.gateway.agent.enabled -}}
wss://{{ first .Values.gateway.agent.hostnames }}/agent
{{- else -}}
{{- include "resproxy.innerAgentUrl" . }}
{{- end -}}
{{- end }}

{{/* JSON {"items": [{name, tenant}]} of the namespaces whose AgentKeys are honoured. */}}
{{- define "resproxy.namespaces" -}}
{{- $own := list (dict "name" .Release.Namespace) -}}
{{- range .Values.agentKeys.namespaces -}}
{{- if eq .name $.Release.Namespace }}{{ $own = list }}{{ end -}}
{{- end -}}
{{- dict "items" (concat .Values.agentKeys.namespaces $own) | toJson }}
{{- end }}

{{/* RESPROXY_KEYS. */}}
{{- define "resproxy.keys" -}}
{{- $sources := list -}}
{{- range (include "resproxy.namespaces" . | fromJson).items -}}
{{- $sources = append $sources (ternary (printf "%s=%s" .name (.tenant | default "")) .name (not (empty .tenant))) -}}
{{- end -}}
kubernetes:{{ join "," $sources }}
{{- end }}

{{/* Seconds from SIGTERM to the end of a drained pod, and 10 for what cannot be foreseen. */}}
{{- define "resproxy.terminationGrace" -}}
{{- with .Values.orchestrator -}}
{{- add (div (add .lameDuckMs .drainSpreadMs .shutdownGraceMs 999) 1000) 10 }}
{{- end -}}
{{- end }}
