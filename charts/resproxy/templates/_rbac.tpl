{{/* What each program may do in a namespace whose AgentKeys it takes. k8s/rbac says the same for those without Helm. */}}
{{- define "resproxy.orchestratorRules" -}}
- apiGroups: [resproxy.dev]
  resources: [agentkeys]
  verbs: [list, watch]
{{- end }}

{{- define "resproxy.operatorRules" -}}
- apiGroups: [resproxy.dev]
  resources: [agentkeys]
  verbs: [list, watch]
- apiGroups: [resproxy.dev]
  resources: [agentkeys/status]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/*
Of (list $ "operator" "resproxy.operatorRules" false): a Role in each namespace of AgentKeys, or a ClusterRole when the last
is true, and its binding to the part's ServiceAccount.
*/}}
{{- define "resproxy.grant" -}}
{{- $root := index . 0 }}
{{- $part := index . 1 }}
{{- $rules := include (index . 2) $root }}
{{- $name := printf "%s-%s" (include "resproxy.fullname" $root) $part }}
{{- $clusterWide := index . 3 }}
{{- $clusterName := printf "%s:%s" $root.Release.Namespace $name }}
{{- $namespaces := ternary (list (dict "name" "")) (include "resproxy.namespaces" $root | fromJson).items $clusterWide }}
{{- range $namespaces }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "ClusterRole" "Role" $clusterWide }}
metadata:
  {{- include "resproxy.grantNames" (list $clusterWide $clusterName $name .name) | nindent 2 }}
  labels:
    {{- include "resproxy.labels" (list $root $part) | nindent 4 }}
rules:
  {{- $rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "ClusterRoleBinding" "RoleBinding" $clusterWide }}
metadata:
  {{- include "resproxy.grantNames" (list $clusterWide $clusterName $name .name) | nindent 2 }}
  labels:
    {{- include "resproxy.labels" (list $root $part) | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ ternary "ClusterRole" "Role" $clusterWide }}
  name: {{ ternary $clusterName $name $clusterWide }}
subjects:
  - kind: ServiceAccount
    name: {{ $name }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}
{{- end }}

{{/* Two releases may grant in one namespace: the names tell them apart. */}}
{{- define "resproxy.grantNames" -}}
{{- if index . 0 -}}
name: {{ index . 1 }}
{{- else -}}
name: {{ index . 2 }}
namespace: {{ index . 3 }}
{{- end -}}
{{- end }}
