// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/hack/e2e/capture"
)

var (
	ours    = netip.MustParseAddrPort("198.51.100.10:40000")
	theirs  = netip.MustParseAddrPort("203.0.113.20:5269")
	another = netip.MustParseAddrPort("203.0.113.25:5269")
)

// packet is a frame with a TCP segment in it, as pcap keeps it.
type packet struct {
	from, to netip.AddrPort
	sequence uint32
	syn      bool
	data     string
}

func pcap(packets ...packet) []byte {
	var b bytes.Buffer
	write := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.NativeEndian, v) // to memory
		}
	}
	write(uint32(0xa1b2c3d4), [20]byte{})
	for _, p := range packets {
		frame := make([]byte, 14+20+20, 14+20+20+len(p.data)+2)
		frame[12] = 0x08
		ip, tcp := frame[14:], frame[34:]
		ip[0], ip[9] = 0x45, 6
		binary.BigEndian.PutUint16(ip[2:], uint16(40+len(p.data)))
		copy(ip[12:], p.from.Addr().AsSlice())
		copy(ip[16:], p.to.Addr().AsSlice())
		binary.BigEndian.PutUint16(tcp, p.from.Port())
		binary.BigEndian.PutUint16(tcp[2:], p.to.Port())
		binary.BigEndian.PutUint32(tcp[4:], p.sequence)
		if tcp[12] = 5 << 4; p.syn {
			tcp[13] = 0x02
		}
		frame = append(append(frame, p.data...), 0, 0) // padding of Ethernet
		write([8]byte{}, uint32(len(frame)), uint32(len(frame)), frame)
	}
	return b.Bytes()
}

func TestAssemble(t *testing.T) {
	const nearEnd = 1<<32 - 3 // sequence numbers wrap around
	syn := packet{ours, theirs, nearEnd, true, ""}
	for name, test := range map[string]struct {
		packets []packet
		want    []string
		problem string
	}{
		"segments in order":        {[]packet{syn, {ours, theirs, nearEnd + 1, false, "abcd"}, {ours, theirs, 2, false, "ef"}}, []string{"abcdef"}, ""},
		"segments that overtook":   {[]packet{syn, {ours, theirs, 2, false, "ef"}, {ours, theirs, nearEnd + 1, false, "abcd"}}, []string{"abcdef"}, ""},
		"a segment sent twice":     {[]packet{syn, {ours, theirs, nearEnd + 1, false, "abcd"}, {ours, theirs, nearEnd + 1, false, "abcdef"}}, []string{"abcdef"}, ""},
		"a probe of an idle line":  {[]packet{syn, {ours, theirs, nearEnd, false, "\x00"}, {ours, theirs, nearEnd + 1, false, "ab"}}, []string{"ab"}, ""},
		"both directions":          {[]packet{syn, {theirs, ours, 7, true, ""}, {ours, theirs, nearEnd + 1, false, "ab"}, {theirs, ours, 8, false, "cd"}}, []string{"ab", "cd"}, ""},
		"two partners":             {[]packet{syn, {ours, another, 7, true, ""}, {ours, another, 8, false, "cd"}}, []string{"", "cd"}, ""},
		"the same port once more":  {[]packet{syn, {ours, theirs, nearEnd + 1, false, "ab"}, {ours, theirs, 500, true, ""}, {ours, theirs, 501, false, "cd"}}, []string{"ab", "cd"}, ""},
		"begun before the capture": {[]packet{{ours, theirs, 9, false, "ab"}}, nil, ""},
		"a missing segment":        {[]packet{syn, {ours, theirs, 2, false, "ef"}}, nil, "4 bytes after byte 0 were not captured"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			streams, err := capture.Assemble(pcap(test.packets...))
			if test.problem != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.problem)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			var data []string
			for _, stream := range streams {
				data = append(data, string(stream.Data))
			}
			g.Expect(data).To(Equal(test.want))
		})
	}
}

func TestAssembleTakesWhatIsThereSoFar(t *testing.T) {
	g := NewWithT(t)
	whole := pcap(packet{ours, theirs, 1, true, ""}, packet{ours, theirs, 2, false, "ab"}, packet{ours, theirs, 4, false, "cd"})
	for size := range whole {
		_, err := capture.Assemble(whole[:size])
		g.Expect(err).NotTo(HaveOccurred(), "%d bytes", size)
	}
	streams, err := capture.Assemble(whole[:len(whole)-1])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(streams).To(Equal([]capture.Stream{{From: ours, To: theirs, Data: []byte("ab")}}))
}

func TestRead(t *testing.T) {
	const (
		header = `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`
		record = "\x16\x03\x01\x00\x02ab\x17\x03\x03\x00\x01c"
	)
	for name, test := range map[string]struct {
		data    string
		sent    string
		allowed string // none of it, dialback, or nothing but negotiation
		problem string
	}{
		"the way to TLS":                  {header + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" + record, "plain: starttls; TLS: 2 records, 13 bytes", "negotiation", ""},
		"an offer with content":           {header + "<stream:features><starttls/><dialback/></stream:features>", "plain: features; TLS: 0 records, 0 bytes", "negotiation", ""},
		"a refusal":                       {header + "<stream:error><policy-violation/></stream:error></stream:stream>", "plain: error; TLS: 0 records, 0 bytes", "negotiation", ""},
		"a stanza":                        {header + "<message><body>x</body></message>", "plain: message; TLS: 0 records, 0 bytes", "", ""},
		"dialback":                        {header + "<db:result>key</db:result>", "plain: result; TLS: 0 records, 0 bytes", "dialback", ""},
		"a last record on its way":        {header + record + "\x17\x03\x03\x00\x09c", "plain: ; TLS: 3 records, 19 bytes", "negotiation", ""},
		"a stanza after TLS began":        {header + record + "<message><body>x</body></message>", "", "", "no header of one"},
		"a record longer than TLS allows": {header + "\x16\x03\x01\xff\xffab", "", "", "no header of one"},
		"what is no XML":                  {header + "<<<", "", "", "reading plain text"},
		"silence":                         {"", "plain: ; TLS: 0 records, 0 bytes", "negotiation", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			sent, err := capture.Read([]byte(test.data))
			if test.problem != "" {
				g.Expect(err).To(MatchError(ContainSubstring(test.problem)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(sent.String()).To(Equal(test.sent))
			g.Expect(sent.OnlyNegotiation()).To(Equal(test.allowed == "negotiation"))
			g.Expect(sent.NoStanza()).To(Equal(test.allowed != ""))
		})
	}
}
