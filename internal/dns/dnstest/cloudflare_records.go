// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	miekg "github.com/miekg/dns"

	"github.com/xmppfed/xmppfed/internal/dns"
	"github.com/xmppfed/xmppfed/internal/dns/wire"
)

// cloudflareService is the data of a service record on the wire.
type cloudflareService struct {
	Priority uint16 `json:"priority"`
	Weight   uint16 `json:"weight"`
	Port     uint16 `json:"port"`
	Target   string `json:"target"`
}

// cloudflareAssociation is the data of a TLSA record on the wire, which lists the certificate in upper case.
type cloudflareAssociation struct {
	Usage       uint8  `json:"usage"`
	Selector    uint8  `json:"selector"`
	Matching    uint8  `json:"matching_type"`
	Certificate string `json:"certificate"`
}

// records of the zone.
func (c *Cloudflare) records() []CloudflareRecord {
	out := slices.Clone(c.Others)
	for _, set := range c.zone.Sets() {
		for _, d := range set.Data {
			r := CloudflareRecord{
				ID: cloudflareID(set.Key().String(), d.String()), Name: dns.Display(set.Name), Type: set.TypeName(), TTL: set.TTL,
			}
			switch d := d.(type) {
			case dns.SRV:
				r.Data = c.encode(cloudflareService{d.Priority, d.Weight, d.Port, dns.Display(d.Target)})
			case dns.TLSA:
				r.Data = c.encode(cloudflareAssociation{d.Usage, d.Selector, d.Matching, strings.ToUpper(d.Data)})
			case dns.Alias:
				r.Content = dns.Display(string(d))
			default:
				r.Content = d.String()
			}
			out = append(out, r)
		}
	}
	return out
}

func (c *Cloudflare) encode(v any) json.RawMessage {
	encoded, err := json.Marshal(v)
	if err != nil {
		c.t.Errorf("encoding a record: %v", err)
	}
	return encoded
}

func (c *Cloudflare) decode(data json.RawMessage, v any) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		c.t.Errorf("decoding %s: %v", data, err)
	}
}

// store records in place of all that the zone holds.
func (c *Cloudflare) store(records []CloudflareRecord) {
	var change dns.Change
	for _, set := range c.zone.Sets() {
		change.Drop = append(change.Drop, set.Key())
	}
	c.Others = nil
	sets := map[dns.Key]dns.RRset{}
	for _, r := range records {
		if r.Proxied {
			c.Others = append(c.Others, r)
			continue
		}
		k, d := c.parse(r)
		set := sets[k]
		if len(set.Data) > 0 && set.TTL != r.TTL {
			c.t.Errorf("%s has times to live %d and %d", k, set.TTL, r.TTL)
		}
		sets[k] = dns.RRset{Name: k.Name, Type: k.Type, TTL: r.TTL, Data: append(set.Data, d)}
	}
	for _, set := range sets {
		change.Put = append(change.Put, set)
	}
	c.zone.Edit(change)
}

func (c *Cloudflare) parse(r CloudflareRecord) (dns.Key, dns.Data) {
	content := r.Content
	switch r.Type {
	case "SRV":
		var s cloudflareService
		c.decode(r.Data, &s)
		content = fmt.Sprintf("%d %d %d %s.", s.Priority, s.Weight, s.Port, s.Target)
	case "TLSA":
		var a cloudflareAssociation
		c.decode(r.Data, &a)
		content = fmt.Sprintf("%d %d %d %s", a.Usage, a.Selector, a.Matching, a.Certificate)
	}
	k := dns.Key{Name: dns.Canonical(r.Name), Type: miekg.StringToType[r.Type]}
	rr, err := miekg.NewRR(fmt.Sprintf("%s %d IN %s %s", k.Name, r.TTL, r.Type, content))
	if err != nil {
		c.t.Errorf("reading %s %q: %v", k, content, err)
		return k, dns.TXT{content}
	}
	set, _ := wire.Set([]miekg.RR{rr}, k)
	return k, set.Data[0]
}

// size of a text record on the wire, in bytes.
func (c *Cloudflare) size(r CloudflareRecord) int {
	rr, err := miekg.NewRR(fmt.Sprintf("%s %d IN TXT %s", dns.Canonical(r.Name), r.TTL, r.Content))
	if err != nil {
		c.t.Errorf("reading %q: %v", r.Content, err)
		return 0
	}
	n, err := miekg.PackRR(rr, make([]byte, miekg.MaxMsgSize), 0, nil, false)
	if err != nil {
		c.t.Errorf("packing %q: %v", r.Content, err)
	}
	return n
}
