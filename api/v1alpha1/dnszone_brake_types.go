// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AnnotationBrakeReleasedUntil on a DNSZone is a time (RFC 3339) until which its brake is released.
const AnnotationBrakeReleasedUntil = "xmppfed.io/brake-released-until"

// RemovalBrake limits how many Federations of one namespace lose records of a zone within ten minutes: the larger of a number
// and a share. All namespaces but the one that lost most may lose as many together. It is never more than 1000 in all.
type RemovalBrake struct {
	// Federations that may lose records in any case.
	//
	// +optional
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Federations int32 `json:"federations,omitempty"`

	// Percent of the Federations with records in the zone that may lose records; 100 switches the brake off.
	//
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Percent int32 `json:"percent,omitempty"`
}

// RemovalBrakeStatus is what the brake of a zone counted and what it holds back.
type RemovalBrakeStatus struct {
	// Limit is how many Federations of one namespace, and once more of all others together, may lose records within ten minutes.
	// Absent: any number, as the brake is off or released.
	//
	// +optional
	Limit int32 `json:"limit,omitempty"`

	// Waiting is the number of Federations whose removals are held back.
	//
	// +optional
	Waiting int32 `json:"waiting,omitempty"`

	// Lost are the Federations that lost records. Each is noted before its first record goes, so that nothing is uncounted
	// when the operator dies; those of more than ten minutes ago don't count.
	//
	// +optional
	// +listType=map
	// +listMapKey=federation
	// +kubebuilder:validation:MaxItems=1000
	Lost []RecordLoss `json:"lost,omitempty"`
}

// RecordLoss tells that a Federation lost records.
type RecordLoss struct {
	// Federation is its namespace and name, with a slash between them.
	//
	// +required
	Federation string `json:"federation"`

	// Time of the first record.
	//
	// +required
	Time metav1.Time `json:"time"`
}
