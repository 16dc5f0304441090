// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API of xmppfed: the Federation an application team writes and the DNSZone a platform
// team provides. It imports nothing but apimachinery, so that other programs can use the types cheaply.
//
// +kubebuilder:object:generate=true
// +groupName=xmppfed.io
package v1alpha1
