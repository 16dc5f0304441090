// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/example"
	"github.com/xmppfed/xmppfed/internal/cli/status"
	"github.com/xmppfed/xmppfed/internal/cli/text"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// wide is a screen of Healthy whose servers say something of themselves, with one line for each fact.
func wide(live ...engine.LiveStatus) string {
	return status.Render(status.Model{Federation: example.Healthy(), Now: example.Now(), Live: live}, text.Style{Width: 300})
}

func TestWhatTheServersRefuseIsShownMostFirst(t *testing.T) {
	busy := engine.LiveStatus{
		RequestsRefused: 3, Logins: engine.Logins{Failed: 90, Refused: 1}, RemovedAccounts: 2,
		Limits: engine.LiveLimits{
			MemoryBytes: 190 << 20, MemoryLimitBytes: 256 << 20, Connecting: 4, Waiting: 9,
			Refused: map[string]int64{"pending names": 1200, "memory\x1b[31m": 2},
			Delayed: map[string]int64{"gmail.com": 130, "": 20},
		},
		Volume: engine.LiveVolume{Bytes: 1 << 30, UsedBytes: 990 << 20, Files: 65536, UsedFiles: 3, Full: true},
	}
	calm := engine.LiveStatus{Limits: engine.LiveLimits{
		MemoryBytes: 30 << 20, MemoryLimitBytes: 256 << 20, Waiting: 1, Refused: map[string]int64{"pending names": 1},
	}, Volume: engine.LiveVolume{Bytes: 1 << 30, UsedBytes: 10 << 20}}
	for name, test := range map[string]struct {
		live []engine.LiveStatus
		want []string
		none []string
	}{
		"nothing": {[]engine.LiveStatus{{}}, []string{"REFUSED      nothing since the server started"},
			[]string{"MEMORY", "VOLUME", "DELAYED", "STREAMS", "REMOVED"}},
		"two servers, of which one is busy": {[]engine.LiveStatus{calm, busy}, []string{
			"MEMORY       190 MiB of 256 MiB (74 %)\n",
			"VOLUME       990 MiB of 1024 MiB (96 %), messages for users who are away are refused\n",
			"STREAMS      4 being opened, 10 waiting for their turn\n",
			"REMOVED      of 2 former accounts something is still stored\n",
			"REFUSED      pending names 1201 times, subscription requests 3 times, memory", " 2 times, logins 1 time, since the server started\n",
			"DELAYED      gmail.com 2m10s, unlisted domains 20s, since the server started\n",
		}, []string{"\x1b", "rate of unlisted"}},
		"no limit of memory": {[]engine.LiveStatus{{Limits: engine.LiveLimits{MemoryBytes: 30 << 20}}},
			[]string{"MEMORY       30 MiB, without a limit\n"}, nil},
		"no files are left": {[]engine.LiveStatus{{Volume: engine.LiveVolume{
			Bytes: 1 << 30, UsedBytes: 10 << 20, Files: 900, UsedFiles: 890, Full: true,
		}}},
			[]string{"VOLUME       10 MiB of 1024 MiB (0 %), 890 of 900 files, messages for users"}, nil},
		"no server could be asked": {nil, nil, []string{"MEMORY", "VOLUME", "REFUSED"}},
	} {
		t.Run(name, func(t *testing.T) {
			screen := wide(test.live...)
			for _, want := range test.want {
				if !strings.Contains(screen, want) {
					t.Errorf("does not say %q:\n%s", want, screen)
				}
			}
			for _, not := range test.none {
				if strings.Contains(screen, not) {
					t.Errorf("says %q:\n%s", not, screen)
				}
			}
		})
	}
}

func TestServersThatInventBoundsFillNoScreen(t *testing.T) {
	refused := map[string]int64{}
	for i := range 1000 {
		refused[fmt.Sprintf("bound %d", i)] = 1
	}
	if screen := wide(engine.LiveStatus{Limits: engine.LiveLimits{Refused: refused}}); !strings.Contains(screen, ", and 988 more, since") {
		t.Errorf("got\n%s", screen)
	}
}

func TestLimitsThatAreReachedAndPeersThatAreDelayedAreNotShownAsGood(t *testing.T) {
	fed := example.Healthy()
	fed.Status.Peers[0].DelayedSince = ptr.To(metav1.NewTime(example.Now().Add(-3 * time.Hour)))
	fed.Status.Conditions = append(fed.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionLimitsReached, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonRefusing, Message: "pending names",
		LastTransitionTime: metav1.NewTime(example.Now()),
	})
	model := status.Model{Federation: fed, Now: example.Now()}
	screen := status.Render(model, text.Style{Width: 80})
	for _, want := range []string{"pending names", "sends more than its kilobytesPerSecond, so that it is read later, since 3h"} {
		if !strings.Contains(screen, want) {
			t.Errorf("does not say %q:\n%s", want, screen)
		}
	}
	if coloured := status.Render(model, text.Style{Width: 80, Colour: true}); !strings.Contains(coloured, "LimitsReached     \x1b[33mTrue") {
		t.Errorf("shown as good:\n%s", coloured)
	}
}
