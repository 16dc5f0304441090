// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// AnnotationInstallations of the CustomResourceDefinition of Federations lists, as JSON, the installations of the operator in the
// cluster and the namespaces that each works on. Operators write it. Without it the next installation that starts takes over.
const AnnotationInstallations = "xmppfed.io/installations"
