{{/* What the values must not say together. Every refusal is a sentence that names the values and the way out. */}}
{{- define "resproxy.check" -}}
{{- include "resproxy.checkFleet" . }}
{{- include "resproxy.checkKeys" . }}
{{- include "resproxy.checkCallers" . }}
{{- include "resproxy.checkDoors" . }}
{{- include "resproxy.checkTest" . }}
{{- end }}

{{- define "resproxy.checkFleet" -}}
{{- $replicas := include "resproxy.replicas" . | int -}}
{{- if and .Values.redis.url .Values.redis.existingSecret.name -}}
{{- fail "redis.url and redis.existingSecret.name are both set: give the URL once" }}
{{- end -}}
{{- if not (include "resproxy.hasRedis" .) -}}
{{- if gt $replicas 1 -}}
{{- fail (printf "orchestrator.replicas is %d, and more than one orchestrator needs Redis, where they find each other: set redis.url or redis.existingSecret.name, or orchestrator.replicas to 1" $replicas) }}
{{- end -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled needs Redis, where several orchestrators find each other: set redis.url or redis.existingSecret.name, or autoscaling.enabled to false" }}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.peer.mode "existingSecret") (not .Values.peer.existingSecret) -}}
{{- fail "peer.mode is existingSecret: name the Secret in peer.existingSecret" }}
{{- end -}}
{{- if and (eq .Values.peer.mode "certManager") (not .Values.peer.certManager.issuerName) -}}
{{- fail "peer.mode is certManager: name the issuer in peer.certManager.issuerName" }}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" }}
{{- end -}}
{{- end }}

{{- define "resproxy.checkKeys" -}}
{{- if and (include "resproxy.agentTls" .) (eq (include "resproxy.agentUrl" .) (include "resproxy.innerAgentUrl" .)) -}}
{{- fail "the agents' certificate is for a public name: set agentKeys.url to the address that agents dial" }}
{{- end -}}
{{- end }}

{{- define "resproxy.checkCallers" -}}
{{- with .Values.callers -}}
{{- if and .existingSecret .providers -}}
{{- fail "callers.existingSecret is the whole of the callers: put the providers into it, and set callers.issuerDiscovery for one of type kubernetes" }}
{{- end -}}
{{- if not (or .existingSecret .first .providers) -}}
{{- fail "callers.first is false and there are no callers.providers: nobody could call" }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "resproxy.checkDoors" -}}
{{- range $door, $ingress := .Values.ingress -}}
{{- if and $ingress.enabled (not $ingress.host) -}}
{{- fail (printf "ingress.%s.enabled needs ingress.%s.host" $door $door) }}
{{- end -}}
{{- end -}}
{{- range $door := list "agent" "http" "grpc" -}}
{{- $route := index $.Values.gateway $door -}}
{{- if and $route.enabled (not $route.hostnames) -}}
{{- fail (printf "gateway.%s.enabled needs gateway.%s.hostnames" $door $door) }}
{{- end -}}
{{- if and $route.enabled (not $.Values.gateway.parentRefs) -}}
{{- fail (printf "gateway.%s.enabled needs gateway.parentRefs: the Gateway that the route is for" $door) }}
{{- end -}}
{{- end -}}
{{- if and .Values.gateway.agent.enabled .Values.gateway.agent.passthrough (not (include "resproxy.agentTls" .)) -}}
{{- fail "gateway.agent.passthrough hands TLS to the pods: set tls.existingSecret or tls.agentExistingSecret" }}
{{- end -}}
{{- end }}

{{- define "resproxy.checkTest" -}}
{{- if .Values.test.enabled -}}
{{- if and .Values.callers.existingSecret (not .Values.test.tokenSecret) -}}
{{- fail "callers.existingSecret holds no token that helm test could use: set test.tokenSecret, or test.enabled to false" }}
{{- end -}}
{{- if not (or .Values.callers.first .Values.test.tokenSecret) -}}
{{- fail "callers.first is false, so there is no token that helm test could use: set test.tokenSecret, or test.enabled to false" }}
{{- end -}}
{{- if and .Values.tls.existingSecret (not .Values.test.url) -}}
{{- fail "tls.existingSecret is for a public name: tell helm test that name in test.url, or set test.enabled to false" }}
{{- end -}}
{{- end -}}
{{- end }}
