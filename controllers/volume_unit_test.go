// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/outcome"
)

// onVolume is a server whose pod has the given claim, or none that can be read.
func onVolume(pod, claim string, volume engine.LiveVolume) liveServer {
	server := liveServer{pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod}}, status: &engine.LiveStatus{Volume: volume}}
	if claim != "" {
		server.pod.Spec.Volumes = []corev1.Volume{{Name: engine.VolumeConfig}, {Name: engine.VolumeData, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}}}
	}
	return server
}

func TestJudgeVolumes_NamesTheClaimsThatAreFullAndWhatToDo(t *testing.T) {
	full := func(volume engine.LiveVolume) engine.LiveVolume { volume.Full = true; return volume }
	small := engine.LiveVolume{Bytes: 1 << 30, UsedBytes: 1<<30 - 50<<20}
	for name, test := range map[string]struct {
		servers []liveServer
		want    []string
	}{
		"none is full":         {[]liveServer{onVolume("cup-0", "data-cup-0", small)}, nil},
		"a pod did not answer": {[]liveServer{{pod: &corev1.Pod{}}}, nil},
		"nobody was asked":     {nil, nil},
		"one is full": {[]liveServer{onVolume("cup-0", "restored", full(small))},
			[]string{"PersistentVolumeClaim restored (1024 MiB) in namespace chat", "`kubectl -n chat edit pvc restored`", "allowVolumeExpansion"}},
		"one of two is full": {[]liveServer{onVolume("cup-0", "data-cup-0", small), onVolume("cup-1", "data-cup-1", full(small))},
			[]string{"PersistentVolumeClaim data-cup-1 (1024 MiB) in namespace chat", "edit pvc data-cup-1`"}},
		"both are": {[]liveServer{onVolume("cup-0", "data-cup-0", full(small)), onVolume("cup-1", "data-cup-1", full(small))},
			[]string{"PersistentVolumeClaim data-cup-0 (1024 MiB), data-cup-1 (1024 MiB) in"}},
		"the pod does not say": {[]liveServer{onVolume("cup-0", "", full(small))}, []string{"data-cup-0 (1024 MiB)"}},
		"a large one": {[]liveServer{onVolume("cup-0", "", full(engine.LiveVolume{Bytes: 100 << 30, UsedBytes: 100 << 30}))},
			[]string{"(100 GiB)"}},
		"files are short": {[]liveServer{onVolume("cup-0", "", full(engine.LiveVolume{
			Bytes: 1 << 30, UsedBytes: 1 << 20, Files: 65536, UsedFiles: 65500,
		}))}, []string{"(65536 files)"}},
		"a file system without inodes of a number": {[]liveServer{onVolume("cup-0", "", full(engine.LiveVolume{Bytes: 1 << 30, UsedFiles: 9}))},
			[]string{"(1024 MiB)"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := judgeVolumes("chat", test.servers)
			var failed *outcome.Error
			if errors.As(err, &failed) != (test.want != nil) {
				t.Fatalf("got %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(failed.Message, want) || failed.Reason != v1alpha1.ReasonVolumeFull {
					t.Errorf("got %s: %q, want %q", failed.Reason, failed.Message, want)
				}
			}
		})
	}
}
