{{- define "xmppfed.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Services have at most 63 characters, of which "-metrics" takes 8. */}}
{{- define "xmppfed.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- else if contains (include "xmppfed.name" .) .Release.Name }}
{{- .Release.Name | trunc 55 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "xmppfed.name" .) | trunc 55 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "xmppfed.selectorLabels" -}}
app.kubernetes.io/name: {{ include "xmppfed.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "xmppfed.labels" -}}
{{ include "xmppfed.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "xmppfed.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "xmppfed.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name must be set when serviceAccount.create is false; name a ServiceAccount that exists" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "xmppfed.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "xmppfed.subject" -}}
- kind: ServiceAccount
  name: {{ include "xmppfed.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
