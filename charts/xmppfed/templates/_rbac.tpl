{{- /* Generated from config/rbac/role.yaml by make generate. Do not edit. */}}

{{- define "xmppfed.rules.cluster" -}}
- apiGroups:
  - ""
  resources:
  - namespaces
  verbs:
  - get
  - list
  - watch
- apiGroups:
  - apiextensions.k8s.io
  resourceNames:
  - federations.xmppfed.io
  resources:
  - customresourcedefinitions
  verbs:
  - get
  - patch
- apiGroups:
  - authentication.k8s.io
  resources:
  - tokenreviews
  verbs:
  - create
- apiGroups:
  - authorization.k8s.io
  resources:
  - subjectaccessreviews
  verbs:
  - create
- apiGroups:
  - coordination.k8s.io
  resourceNames:
  - xmppfed-operator
  resources:
  - leases
  verbs:
  - get
- apiGroups:
  - events.k8s.io
  resources:
  - events
  verbs:
  - create
  - patch
- apiGroups:
  - xmppfed.io
  resources:
  - dnszones
  verbs:
  - get
  - list
  - watch
- apiGroups:
  - xmppfed.io
  resources:
  - dnszones/status
  verbs:
  - patch
{{- end }}

{{- define "xmppfed.rules.namespaced" -}}
- apiGroups:
  - ""
  resources:
  - configmaps
  - secrets
  verbs:
  - create
  - get
  - list
  - patch
  - watch
- apiGroups:
  - ""
  resources:
  - events
  verbs:
  - list
  - watch
- apiGroups:
  - ""
  resources:
  - pods
  verbs:
  - list
  - patch
  - watch
- apiGroups:
  - ""
  resources:
  - services
  verbs:
  - create
  - delete
  - get
  - list
  - patch
  - watch
- apiGroups:
  - apps
  resources:
  - statefulsets
  verbs:
  - create
  - get
  - list
  - patch
  - watch
- apiGroups:
  - networking.k8s.io
  resources:
  - networkpolicies
  verbs:
  - create
  - get
  - list
  - patch
  - watch
- apiGroups:
  - policy
  resources:
  - poddisruptionbudgets
  verbs:
  - create
  - get
  - list
  - patch
  - watch
- apiGroups:
  - xmppfed.io
  resources:
  - federations/status
  verbs:
  - patch
- apiGroups:
  - xmppfed.io
  resources:
  - federations
  verbs:
  - get
  - list
  - patch
  - watch
- apiGroups:
  - xmppfed.io
  resources:
  - federations/finalizers
  verbs:
  - update
{{- end }}

{{- define "xmppfed.rules.operator" -}}
- apiGroups:
  - ""
  resources:
  - secrets
  verbs:
  - create
  - get
  - list
  - watch
- apiGroups:
  - ""
  resourceNames:
  - xmppfed-ownership
  resources:
  - secrets
  verbs:
  - patch
- apiGroups:
  - coordination.k8s.io
  resources:
  - leases
  verbs:
  - create
- apiGroups:
  - coordination.k8s.io
  resourceNames:
  - xmppfed-operator
  resources:
  - leases
  verbs:
  - get
  - update
- apiGroups:
  - externaldns.k8s.io
  resources:
  - dnsendpoints
  verbs:
  - create
  - delete
  - get
  - list
  - patch
{{- end }}
