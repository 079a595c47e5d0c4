env:
{{- range $k, $v := .Values.env }}
  - name: {{ $k | upper | replace "-" "_" }}
    value: {{ $v | quote }}
{{- end }}
