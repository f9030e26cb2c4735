{{- define "credwright.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "credwright.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "credwright.labels" -}}
{{ include "credwright.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "credwright.serviceAccount" -}}
{{- $made := include "credwright.fullname" . -}}
{{ .Values.serviceAccount.name | default (ternary $made "default" .Values.serviceAccount.create) }}
{{- end -}}

{{- define "credwright.subjects" -}}
- kind: ServiceAccount
  name: {{ include "credwright.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* What the operator and the hook are told alike. */}}
{{- define "credwright.whereArguments" -}}
{{- range .Values.namespaces }}
- --namespace={{ . }}
{{- end }}
{{- if .Values.namespaces }}
- --role-binding={{ include "credwright.fullname" . }}
{{- end }}
{{- end -}}

{{/* Their own namespace is that of their pod, wherever Kustomize or anything else moves it. */}}
{{- define "credwright.environment" -}}
- name: CREDWRIGHT_OPERATOR_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A part of a pod as YAML, with more of it: maps are merged, lists are added, and anything else is replaced. */}}
{{- define "credwright.with" -}}
{{- $part := index . 0 | fromYaml -}}
{{- range $key, $more := index . 1 -}}
{{- $there := get $part $key -}}
{{- if and (kindIs "map" $there) (kindIs "map" $more) -}}
{{- $more = mergeOverwrite (deepCopy $there) $more -}}
{{- else if and (kindIs "slice" $there) (kindIs "slice" $more) -}}
{{- $more = concat $there $more -}}
{{- end -}}
{{- $_ := set $part $key $more -}}
{{- end -}}
{{ toYaml $part }}
{{- end -}}

{{/* What pods have in common: labels, and parts of the spec and of the container. */}}
{{- define "credwright.podLabels" -}}
{{ include "credwright.labels" . }}
{{- with .Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "credwright.pod" -}}
serviceAccountName: {{ include "credwright.serviceAccount" . }}
automountServiceAccountToken: true
securityContext:
  runAsNonRoot: true
  {{- with .Values.runAsUser }}
  runAsUser: {{ int64 . }}
  runAsGroup: {{ int64 . }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "credwright.container" -}}
{{- $image := .Values.image -}}
name: credwright
image: {{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ with $image.digest }}@{{ . }}{{ end }}
imagePullPolicy: {{ $image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml .Values.resources | nindent 2 }}
{{- end -}}
