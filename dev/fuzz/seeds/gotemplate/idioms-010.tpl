{{- define "img" -}}
{{- $reg := .global | default .image.registry -}}
{{- $tag := .image.tag | default .app | toString -}}
{{- if .image.digest }}{{ $sep := "@" }}{{ $tag = printf "%s%s" $sep .image.digest }}{{ else }}{{ $tag = printf ":%s" $tag }}{{ end -}}
{{- if $reg }}{{ printf "%s/" $reg }}{{ end }}{{ .image.repository }}{{ $tag -}}
{{- end -}}
{{ include "img" (dict "image" .Values.image "global" (.Values.global).reg "app" .Chart.AppVersion) }}