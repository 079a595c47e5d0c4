{{- define "x" -}}
x
{{- end -}}
