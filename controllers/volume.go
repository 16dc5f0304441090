// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/check/phrase"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// judgeVolumes returns what has to be done about servers that refuse messages because little room is left on their data volume; nil if
// there is none.
func judgeVolumes(namespace string, servers []liveServer) error {
	var claims, sizes []string
	for _, server := range servers {
		if server.status == nil || !server.status.Volume.Full {
			continue
		}
		claim := dataClaim(server.pod)
		claims, sizes = append(claims, claim), append(sizes, claim+" ("+capacity(server.status.Volume)+")")
	}
	if len(claims) == 0 {
		return nil
	}
	return outcome.Waiting(v1alpha1.ReasonVolumeFull, recheckServer,
		"little room is left on PersistentVolumeClaim %s in namespace %s, so that the server refuses messages for users who are away; "+
			"everything else goes on. Enlarge the claim with `kubectl -n %s edit pvc %s`, spec.resources.requests.storage; if its "+
			"StorageClass lacks allowVolumeExpansion, the cluster's administrator has to set that, or accounts that nobody needs "+
			"have to go",
		phrase.List(sizes, maxListed), namespace, namespace, claims[0])
}

// dataClaim returns the name of the PersistentVolumeClaim that a server stores everything on.
func dataClaim(pod *corev1.Pod) string {
	for _, volume := range pod.Spec.Volumes {
		if volume.Name == engine.VolumeData && volume.PersistentVolumeClaim != nil {
			return volume.PersistentVolumeClaim.ClaimName
		}
	}
	return engine.VolumeData + "-" + pod.Name // as the StatefulSet controller names it
}

// capacity returns the size of a full volume in what it is short of: in bytes, or in files. It stays the same while the volume does.
func capacity(volume engine.LiveVolume) string {
	switch {
	case volume.ShortOfFiles():
		return fmt.Sprintf("%d files", volume.Files)
	case volume.Bytes < 10<<30:
		return fmt.Sprintf("%d MiB", volume.Bytes>>20)
	}
	return fmt.Sprintf("%d GiB", volume.Bytes>>30)
}
