{{/* Settings of an orchestrator, as docs/OPERATIONS.md tells of them. */}}
{{- define "resproxy.orchestratorEnv" -}}
- name: RESPROXY_KEYS
  value: {{ include "resproxy.keys" . | quote }}
- name: RESPROXY_CALLERS
  value: file:/etc/resproxy/callers/{{ .Values.callers.secretKey }}
- name: RESPROXY_REPORT_TOKEN_FILE
  value: /etc/resproxy/report/token
{{- with include "resproxy.plainDoors" . }}
- name: RESPROXY_PLAINTEXT
  value: {{ . }}
{{- end }}
{{- if .Values.tls.existingSecret }}
{{ include "resproxy.pemEnv" (list "RESPROXY_TLS" "/etc/resproxy/tls") }}
{{- end }}
{{- if .Values.tls.agentExistingSecret }}
{{ include "resproxy.pemEnv" (list "RESPROXY_AGENT_TLS" "/etc/resproxy/agent-tls") }}
{{- end }}
{{- with .Values.trustedProxies }}
- name: RESPROXY_TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
{{- if include "resproxy.hasRedis" . }}
{{ include "resproxy.fleetEnv" . }}
{{- end }}
{{- with .Values.orchestrator }}
- name: RESPROXY_LAME_DUCK_MS
  value: {{ .lameDuckMs | int | quote }}
- name: RESPROXY_SHUTDOWN_GRACE_MS
  value: {{ .shutdownGraceMs | int | quote }}
- name: RESPROXY_DRAIN_SPREAD_MS
  value: {{ .drainSpreadMs | int | quote }}
- name: LOG_LEVEL
  value: {{ .logLevel }}
{{- range $name, $value := .settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Of (list PREFIX folder). */}}
{{- define "resproxy.pemEnv" -}}
- name: {{ index . 0 }}_CERT
  value: {{ index . 1 }}/tls.crt
- name: {{ index . 0 }}_KEY
  value: {{ index . 1 }}/tls.key
{{- end }}

{{/* A pod among others. */}}
{{- define "resproxy.fleetEnv" -}}
- name: RESPROXY_POD_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: RESPROXY_POD_ADDRESS
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: REDIS_URL
{{- with .Values.redis }}
{{- if .url }}
  value: {{ .url | quote }}
{{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ .existingSecret.name }}
      key: {{ .existingSecret.key }}
{{- end }}
- name: RESPROXY_REDIS_PREFIX
  value: {{ .prefix }}
{{- end }}
{{ include "resproxy.pemEnv" (list "RESPROXY_PEER_TLS" "/etc/resproxy/peer") }}
- name: RESPROXY_PEER_TLS_CA
  value: /etc/resproxy/peer/ca.crt
{{- end }}

{{/* JSON {"items": [{name, secret, path}]} of the Secrets that are mounted; their files are followed. */}}
{{- define "resproxy.secretVolumes" -}}
{{- $items := list
  (dict "name" "callers" "secret" (include "resproxy.callersSecret" .) "path" "/etc/resproxy/callers")
  (dict "name" "report" "secret" (include "resproxy.reportSecret" .) "path" "/etc/resproxy/report")
-}}
{{- with .Values.callers.filesSecret -}}
{{- $items = append $items (dict "name" "issuers" "secret" . "path" "/etc/resproxy/issuers") -}}
{{- end -}}
{{- with .Values.tls.existingSecret -}}
{{- $items = append $items (dict "name" "tls" "secret" . "path" "/etc/resproxy/tls") -}}
{{- end -}}
{{- with .Values.tls.agentExistingSecret -}}
{{- $items = append $items (dict "name" "agent-tls" "secret" . "path" "/etc/resproxy/agent-tls") -}}
{{- end -}}
{{- if include "resproxy.hasRedis" . -}}
{{- $items = append $items (dict "name" "peer" "secret" (include "resproxy.peerSecret" .) "path" "/etc/resproxy/peer") -}}
{{- end -}}
{{- dict "items" $items | toJson }}
{{- end }}

{{/* The folder of jobs, where there is no Redis. */}}
{{- define "resproxy.dataVolume" -}}
- name: data
{{- if eq .Values.persistence.type "emptyDir" }}
  emptyDir:
    sizeLimit: {{ .Values.persistence.size }}
{{- else }}
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (printf "%s-data" (include "resproxy.fullname" .)) }}
{{- end }}
{{- end }}

{{- define "resproxy.spread" -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $.Values.orchestrator.spread }}
    labelSelector:
      matchLabels:
        {{- include "resproxy.selector" (list $ "orchestrator") | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
