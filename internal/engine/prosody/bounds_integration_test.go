// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// mute is a partner whose server takes connections and says nothing; names below it follow its policy and lead to it too.
const mute = "mute.example"

// Numbers of limits.go.
const (
	pendingNames = 16
	refusedNames = 64
	sendQueue    = 128
)

func (r *rig) mutePartner(t *testing.T) {
	t.Helper()
	p := r.partner(t, mute, strict)
	p.Mute = true
	r.peer(p.Listen(t), strict)
	r.deliverConfig(t)
}

// results are keys of dialback of so many names below mute, from the first on.
func results(first, count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "<db:result from='n%d.%s' to='%s'>key</db:result>", first+i, mute, domain)
	}
	return b.String()
}

func TestBounds_NamesToVerify(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.mutePartner(t)
		pair := r.ca.KeyPair(t, mute, "*."+mute)
		stream := r.open(prosodytest.Attempt{From: mute, To: domain, Certificate: &pair, External: true})
		defer stream.Close()
		r.Expect(stream.Send(results(0, pendingNames+1))).To(Succeed())
		answer, err := stream.Expect("</db:result>")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(answer).To(And(ContainSubstring("n%d.%s", pendingNames, mute), ContainSubstring("<resource-constraint")))
		limits := r.status().Limits
		r.Expect(limits.Refused).To(Equal(map[string]int64{"pending names": 1}))
		r.Expect(limits.Connecting + limits.Waiting).To(BeNumerically("==", pendingNames))

		r.Expect(stream.Send(results(pendingNames, refusedNames))).To(Succeed())
		end, err := stream.Expect("</stream:stream>")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(end).To(ContainSubstring("too many names to verify"), "who goes on is cut off")
	})
}

func TestBounds_StanzasThatWaitForAStream(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.mutePartner(t)
		client := r.login("cupuser1", "pw1")
		defer client.Close()
		r.Expect(client.Send(strings.Repeat("<message to='a@"+mute+"'><body>x</body></message>", sendQueue))).To(Succeed())
		r.Expect(client.Send("<message id='last' to='a@" + mute + "'><body>x</body></message>")).To(Succeed())
		answer, err := client.Expect("</message>")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(answer).To(And(ContainSubstring("id='last'"), ContainSubstring("<resource-constraint")))
		r.Expect(r.status().Limits.Refused).To(Equal(map[string]int64{"waiting stanzas": 1}))
	})
}

// groups is a script for the Lua of a real Prosody that prints the groups of domains.
const groups = `
local group = dofile("/tmp/group.lua");
local policies = { peers = { ["listed.example"] = {}, ["deep.sub.example"] = {} } };
for name in io.lines("/tmp/names") do print(group.of(policies, name)); end
`

func TestBounds_GroupsOfDomains(t *testing.T) {
	want := map[string]string{
		"a.b.evil.example": "evil.example", "evil.example": "evil.example", "EVIL.example.": "evil.example",
		"a.company.co.uk": "company.co.uk", "company.co.uk": "company.co.uk", "co.uk": "co.uk", "a.b.com": "b.com",
		"x.com.example": "com.example", "example": "example", "x.listed.example": "listed.example",
		"a.deep.sub.example": "deep.sub.example", "sub.example": "sub.example",
	}
	var names, expected []string
	for name, group := range want {
		names, expected = append(names, name), append(expected, group)
	}
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			files, _ := r.render()
			r.WriteTmp(t, "group.lua", files["xmppfed_group.lib.lua"])
			r.WriteTmp(t, "groups.lua", groups)
			r.WriteTmp(t, "names", strings.Join(names, "\n")+"\n")
			out, err := r.Run(t, "lua5.4", "/tmp/groups.lua")
			r.Expect(err).NotTo(HaveOccurred(), out)
			r.Expect(strings.Fields(out)).To(Equal(expected))
		})
	}
}

// networks prints the network of each line of /tmp/addresses.
const networks = `package.path = "/usr/lib/prosody/?.lua;/usr/lib/?.lua;"..package.path
package.cpath = "/usr/lib/prosody/?.so;/usr/lib/?.so;"..package.cpath
local network = dofile("/tmp/session.lua").network
for line in io.lines("/tmp/addresses") do print(network(line)) end`

// Whoever has one address of a network of 64 bits has all of them, however they are written.
func TestBounds_NetworksOfAddresses(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		files, _ := r.render()
		r.WriteTmp(t, "session.lua", files["xmppfed_session.lib.lua"])
		r.WriteTmp(t, "networks.lua", networks)
		r.WriteTmp(t, "addresses", strings.Join([]string{
			"198.51.100.7", "::ffff:198.51.100.7", "2001:db8::1", "2001:db8::2", "2001:db8::a:b:c:d", "2001:db8:0:1::1", "2001:db8:0:1:2:3:4:5",
		}, "\n")+"\n")
		out, err := r.Run(t, "lua5.4", "/tmp/networks.lua")
		r.Expect(err).NotTo(HaveOccurred(), out)
		got := strings.Fields(out)
		r.Expect(got).To(HaveLen(7))
		r.Expect(got[:2]).To(Equal([]string{"198.51.100.7", "198.51.100.7"}))
		r.Expect(got[3:5]).To(HaveEach(got[2]), "%s", got)
		r.Expect(got[5:]).To(HaveEach(got[5]), "%s", got)
		r.Expect(got[5]).NotTo(Equal(got[2]))
	})
}

// TestBounds_RateOfAPeer sends the same to the server as a stranger and as peers, and compares how long it takes.
func TestBounds_RateOfAPeer(t *testing.T) {
	const message = "<message from='a@%s' to='nobody@" + domain + "' type='error'><body>%s</body></message>"
	each(t, func(t *testing.T, r *rig) {
		r.input.Peers = append(r.input.Peers,
			engine.Peer{Domain: "listed.example", Policy: strict}, engine.Peer{Domain: "fast.example", Policy: strict, Rate: 2_000_000})
		r.deliverConfig(t)
		took := map[string]time.Duration{}
		for _, name := range []string{"stranger.example", "listed.example", "fast.example"} {
			stream, err := prosodytest.Federate(engine.PortNumberS2S, name, domain, r.ca.KeyPair(t, name))
			r.Expect(err).NotTo(HaveOccurred())
			defer stream.Close()
			began := time.Now()
			r.Expect(stream.Send(strings.Repeat(fmt.Sprintf(message, name, strings.Repeat("x", 1000)), 150))).To(Succeed())
			r.Expect(stream.Ack()).To(Succeed())
			took[name] = time.Since(began)
		}
		t.Log(took)
		r.Expect(took["listed.example"]).To(BeNumerically("<", took["stranger.example"]/2))
		r.Expect(took["fast.example"]).To(BeNumerically("<", took["listed.example"]/2))
	})
}
