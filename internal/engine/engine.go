// SPDX-License-Identifier: Apache-2.0

// Package engine describes an XMPP server to the rest of the operator: how its
// configuration is rendered, how its container is run, and what it reports when
// it lives. One subpackage per server implements [Engine].
package engine

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
)

// Names of the volumes a server's pod must have. The container of every engine
// mounts all of them; nothing else is writable or rendered.
const (
	VolumeConfig = "config" // ConfigMap with the files that Render returns
	VolumeSecret = "secret" // Secret with the keys below
	VolumeData   = "data"   // persistent: rosters, rooms, offline messages
	VolumeRun    = "run"    // emptyDir: pid file and control socket
	VolumeTmp    = "tmp"    // emptyDir
)

// Names of the container's ports, to be referred to by Services and policies.
const (
	PortS2S    = "s2s"     // 5269, server-to-server
	PortS2STLS = "s2s-tls" // 5270, server-to-server with direct TLS
	PortC2S    = "c2s"     // 5222, client-to-server
	PortC2STLS = "c2s-tls" // 5223, client-to-server with direct TLS
	PortHTTP   = "http"    // 5280, readiness, status and metrics; never exposed publicly
)

// Numbers of the container's ports.
const (
	PortNumberS2S    int32 = 5269
	PortNumberS2STLS int32 = 5270
	PortNumberC2S    int32 = 5222
	PortNumberC2STLS int32 = 5223
	PortNumberHTTP   int32 = 5280
)

// FileTrustedCAs is the file of the ConfigMap with the further authorities to
// trust; it is there only when there are any.
const FileTrustedCAs = "ca.crt"

// Input is everything of a Federation that decides the server's configuration.
type Input struct {
	// Domains are the XMPP domains to serve, lower-case A-labels, at least one.
	Domains []string
	// GroupChat is the subdomain under which every domain gets a XEP-0045 room
	// service ("conference" makes conference.<domain>); empty means none.
	GroupChat string
	// Rooms says who may use rooms, Accounts who learns which accounts there are and reads their profiles, besides the users
	// of Domains. Empty: v1alpha1.AudiencePeers.
	Rooms, Accounts v1alpha1.Audience
	// Former are served besides, because partners may still be led here: each for itself.
	Former []Host
	// TrustedCAs is a PEM bundle of further authorities to trust in partners'
	// certificates, beside the system's; empty means none.
	TrustedCAs string
	// DirectTLS has the server listen at PortS2STLS, ClientDirectTLS at PortC2STLS (XEP-0368).
	DirectTLS, ClientDirectTLS bool
	// Replicas is the number of pods.
	Replicas int32
	// PeerDefaults is the policy for every domain that no entry of Peers covers. It has to be complete.
	PeerDefaults v1alpha1.PeerPolicy
	// Peers have policies of their own, each with its subdomains unless these are listed themselves.
	Peers []Peer
}

// Host is a domain by itself.
type Host struct {
	Domain string
	// GroupChat is set for a room service (XEP-0045), which has no users.
	GroupChat bool
}

// Peer is a partner's domain.
type Peer struct {
	Domain string
	Policy v1alpha1.PeerPolicy
	// Rate is how many bytes are read from each of its streams in a second; 0: the engine's rate for listed peers.
	Rate int64
	// Route is where its server is, instead of what the DNS says; nil: the DNS.
	Route *Route
}

// Route is a server's place.
type Route struct {
	// Host is a name or an IP address.
	Host string
	Port uint16
}

// Config is a rendered configuration.
type Config struct {
	// Files are the contents of the ConfigMap, by file name.
	Files map[string]string
	// Generation identifies the contents. The server reports it once applied.
	Generation string
}

// Engine is an XMPP server the operator can run.
type Engine interface {
	// Check returns an *UnsupportedError when this server cannot do what in asks for.
	Check(in Input) error
	// Render returns the configuration for in. Equal inputs give equal files.
	Render(in Input) (Config, error)
	// Container returns the server's container, without image.
	Container() corev1.Container
}

// UnsupportedError says that a server cannot do what a Federation asks for.
type UnsupportedError struct {
	// Field is the path of the field within the Federation, such as "spec.server.replicas".
	Field string
	// Message says what is impossible and what to do instead.
	Message string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: %s", e.Field, e.Message)
}
