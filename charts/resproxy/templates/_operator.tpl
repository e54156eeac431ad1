{{/* Settings of the operator. */}}
{{- define "resproxy.operatorNamespaces" -}}
{{- if .Values.operator.allNamespaces -}}
*
{{- else -}}
{{- $names := list -}}
{{- range (include "resproxy.namespaces" . | fromJson).items }}{{ $names = append $names .name }}{{ end -}}
{{- join "," $names }}
{{- end -}}
{{- end }}

{{- define "resproxy.operatorEnv" -}}
- name: ORCH_WS
  value: {{ include "resproxy.agentUrl" . | quote }}
- name: RESPROXY_NAMESPACES
  value: {{ include "resproxy.operatorNamespaces" . | quote }}
- name: RESPROXY_LEASE_NAME
  value: {{ include "resproxy.fullname" . }}-operator
- name: RESPROXY_REPORT_URL
  value: http://{{ include "resproxy.fullname" . }}-orchestrator-admin.{{ .Release.Namespace }}.svc:9464/agent-counts
- name: RESPROXY_REPORT_TOKEN_FILE
  value: /etc/resproxy/report/token
- name: RESPROXY_POD_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: LOG_LEVEL
  value: {{ .Values.operator.logLevel }}
{{- range $name, $value := .Values.operator.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
