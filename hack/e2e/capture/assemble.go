// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Stream is one direction of a TCP connection.
type Stream struct {
	From, To netip.AddrPort
	// Data is everything that was sent, in order.
	Data []byte
}

// Sizes of headers, in bytes: of a file, a packet in it, Ethernet, IPv4 without options, TCP without options.
const (
	fileHeader, packetHeader, ethernetHeader, ipHeader, tcpHeader = 24, 16, 14, 20, 20
	pcapMagic                                                     = 0xa1b2c3d4
	typeIPv4, protocolTCP                                         = 0x0800, 6
	flagSYN                                                       = 0x02
)

// segment of a stream.
type segment struct {
	from, to netip.AddrPort
	sequence uint32
	begins   bool // SYN
	data     []byte
}

// key tells streams apart; a port that is used again makes another stream.
type key struct {
	from, to netip.AddrPort
	first    uint32
}

// Assemble puts together the TCP streams of a capture in the form of pcap-savefile(5), as far as it is complete.
// Streams that began before it are not among them.
func Assemble(pcap []byte) ([]Stream, error) {
	if len(pcap) < fileHeader {
		return nil, nil
	}
	if binary.NativeEndian.Uint32(pcap) != pcapMagic {
		return nil, errors.New("reading capture: no pcap file of this machine")
	}
	var order []key
	current := map[[2]netip.AddrPort]key{}
	segments := map[key][]segment{}
	for rest := pcap[fileHeader:]; len(rest) >= packetHeader; {
		size := packetHeader + int(binary.NativeEndian.Uint32(rest[8:]))
		if len(rest) < size {
			break // still being written
		}
		s, ok := parse(rest[packetHeader:size])
		rest = rest[size:]
		pair := [2]netip.AddrPort{s.from, s.to}
		if ok && s.begins && (current[pair] != key{s.from, s.to, s.sequence + 1}) {
			current[pair] = key{s.from, s.to, s.sequence + 1}
			order = append(order, current[pair])
		}
		if k, found := current[pair]; ok && found && !s.begins {
			segments[k] = append(segments[k], s)
		}
	}
	streams := make([]Stream, 0, len(order))
	for _, k := range order {
		data, err := join(k.first, segments[k])
		if err != nil {
			return nil, fmt.Errorf("assembling stream from %s to %s: %w", k.from, k.to, err)
		}
		streams = append(streams, Stream{From: k.from, To: k.to, Data: data})
	}
	return streams, nil
}

// parse reads an Ethernet frame with IPv4 and TCP in it; ok is false for anything else.
func parse(frame []byte) (s segment, ok bool) {
	if len(frame) < ethernetHeader+ipHeader || binary.BigEndian.Uint16(frame[12:]) != typeIPv4 {
		return segment{}, false
	}
	packet := frame[ethernetHeader:]
	length, header := int(binary.BigEndian.Uint16(packet[2:])), int(packet[0]&0x0f)*4
	if packet[9] != protocolTCP || length > len(packet) || length < header+tcpHeader {
		return segment{}, false
	}
	tcp := packet[header:length]
	offset := int(tcp[12]>>4) * 4
	if offset > len(tcp) {
		return segment{}, false
	}
	address := func(at int) netip.Addr { return netip.AddrFrom4([4]byte(packet[at : at+4])) }
	return segment{
		from:     netip.AddrPortFrom(address(12), binary.BigEndian.Uint16(tcp)),
		to:       netip.AddrPortFrom(address(16), binary.BigEndian.Uint16(tcp[2:])),
		sequence: binary.BigEndian.Uint32(tcp[4:]),
		begins:   tcp[13]&flagSYN != 0,
		data:     tcp[offset:],
	}, true
}

// join orders segments, some of which may have been sent twice.
func join(first uint32, segments []segment) ([]byte, error) {
	offset := func(s segment) int { return int(int32(s.sequence - first)) } // numbers wrap around
	segments = slices.Clone(segments)
	slices.SortStableFunc(segments, func(a, b segment) int { return offset(a) - offset(b) })
	var data []byte
	for _, s := range segments {
		at := offset(s)
		switch {
		case len(s.data) == 0 || at+len(s.data) <= len(data):
		case at < 0 && len(s.data) <= 1: // a probe that keeps the connection alive
		case at > len(data):
			return nil, fmt.Errorf("%d bytes after byte %d were not captured", at-len(data), len(data))
		default:
			data = append(data, s.data[len(data)-at:]...)
		}
	}
	return data, nil
}
