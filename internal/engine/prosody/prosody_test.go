// SPDX-License-Identifier: Apache-2.0

package prosody

import (
	"errors"
	"slices"
	"testing"

	"github.com/xmppfed/xmppfed/internal/engine"
)

func TestCheckAllowsOneReplicaOnly(t *testing.T) {
	in := engine.Input{Domains: []string{"cupdomain.com"}, Replicas: 1, PeerDefaults: strict}
	if err := (Engine{}).Check(in); err != nil {
		t.Errorf("one replica: %v", err)
	}
	in.Replicas = 2
	var unsupported *engine.UnsupportedError
	if err := (Engine{}).Check(in); !errors.As(err, &unsupported) || unsupported.Field != "spec.server.replicas" {
		t.Errorf("two replicas: %v", err)
	}
}

func TestCheckTakesNoRoomServiceOfOursForAPartner(t *testing.T) {
	in := engine.Input{
		Domains: []string{"example.com", "cupdomain.com"}, PeerDefaults: strict,
		Peers: []engine.Peer{{Domain: "conference.cupdomain.com", Policy: strict}},
	}
	if err := (Engine{}).Check(in); err != nil {
		t.Errorf("without group chat: %v", err)
	}
	in.GroupChat = "conference"
	var unsupported *engine.UnsupportedError
	if err := (Engine{}).Check(in); !errors.As(err, &unsupported) || unsupported.Field != "spec.peers" {
		t.Errorf("with group chat: %v", err)
	}
}

func TestContainerMountsAllVolumesAndNamesAllPorts(t *testing.T) {
	c := Engine{}.Container()
	var volumes, ports []string
	for _, mount := range c.VolumeMounts {
		volumes = append(volumes, mount.Name)
		if rendered := mount.Name == engine.VolumeConfig || mount.Name == engine.VolumeSecret; rendered != mount.ReadOnly {
			t.Errorf("volume %s: read-only is %t", mount.Name, mount.ReadOnly)
		}
	}
	for _, port := range c.Ports {
		ports = append(ports, port.Name)
	}
	if want := []string{"config", "secret", "data", "run", "tmp"}; !slices.Equal(volumes, want) {
		t.Errorf("volumes %q, want %q", volumes, want)
	}
	if want := []string{"s2s", "s2s-tls", "c2s", "c2s-tls", "http"}; !slices.Equal(ports, want) {
		t.Errorf("ports %q, want %q", ports, want)
	}
	if want := []string{"prosody", "-F", "--config", "/etc/xmppfed/config/prosody.cfg.lua"}; !slices.Equal(c.Command, want) {
		t.Errorf("command %q, want %q", c.Command, want)
	}
}
