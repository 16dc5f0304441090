// SPDX-License-Identifier: Apache-2.0

package cloudflare

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/dns"
)

func TestRecordsAreReadAsCloudflareListsThem(t *testing.T) {
	for _, test := range []struct{ kind, record, want string }{
		{"A", `{"content":"203.0.113.1"}`, "203.0.113.1"},
		{"A", `{"content":"203.0.113.1","proxied":true}`, `"proxied 203.0.113.1"`},
		{"AAAA", `{"content":"2001:DB8::5"}`, "2001:db8::5"},
		{"CNAME", `{"content":"Elsewhere.example"}`, "elsewhere.example."},
		{"SRV", `{"content":"0 5269 cup1.cupdomain.com","data":{"priority":1,"weight":2,"port":5269,"target":"Cup1.cupdomain.com"}}`,
			"1 2 5269 cup1.cupdomain.com."},
		{"SRV", `{"content":"0 99999 a.example","data":{"priority":1,"weight":2,"port":99999,"target":"a.example"}}`, `"0 99999 a.example"`},
		{"SRV", `{"content":"0 5269 a.example"}`, `"0 5269 a.example"`},
		{"TXT", `{"content":"\"v=xf1;a=b\" \"c d\""}`, `"v=xf1;a=b" "c d"`},
		{"TLSA", `{"content":"3 1 1 AB","data":{"usage":3,"selector":1,"matching_type":1,"certificate":"AB"}}`, "3 1 1 ab"},
		{"TLSA", `{"content":"3 1 1 AB"}`, `"3 1 1 AB"`},
		{"TXT", `{"content":"no quotes"}`, `"no quotes"`},
		{"TXT", `{"content":"\"a\\\"b\\\\c\\052\""}`, `"a\"b\\c4"`},
		{"TXT", `{"content":"\"no end"}`, `"\"no end"`},
		{"A", `{"content":"no address"}`, `"no address"`},
		{"A", `{}`, `""`},
	} {
		r := record{Name: "A.cupdomain.com", Type: test.kind}
		if err := json.Unmarshal([]byte(test.record), &r); err != nil {
			t.Fatal(err)
		}
		list := listing{}
		list.add(r)
		for k := range list {
			if got := r.data(k).String(); got != test.want || k.Name != "a.cupdomain.com." {
				t.Errorf("%s %s at %s: got %s, want %s", test.kind, test.record, k.Name, got, test.want)
			}
		}
		if len(list) != 1 {
			t.Errorf("%s is not known", test.kind)
		}
	}
}

func TestABatchChangesOnlyWhatDiffers(t *testing.T) {
	k := dns.Key{Name: "_sip._tcp.cupdomain.com.", Type: dns.TypeSRV}
	srv := func(port uint16) dns.Data { return dns.SRV{Port: port, Target: "a.example."} }
	set := dns.RRset{Name: k.Name, Type: k.Type, TTL: 300, Data: []dns.Data{srv(1), srv(2), srv(3), srv(2)}}
	old := func(id string, port uint16, ttl uint32) record {
		r := toRecord(dns.RRset{Name: k.Name, Type: k.Type, TTL: ttl}, srv(port))
		r.ID = id
		return r
	}
	put := func(id string, port uint16) record { return old(id, port, 300) }
	gone := dns.Key{Name: "gone.cupdomain.com.", Type: dns.TypeA}
	for name, test := range map[string]struct {
		old  []record
		want batch
	}{
		"Nothing is there":    {nil, batch{Posts: []record{put("", 1), put("", 2), put("", 3)}}},
		"All is there":        {[]record{put("c", 3), put("b", 2), put("a", 1)}, batch{}},
		"One is another":      {[]record{put("c", 9), put("b", 2), put("a", 1)}, batch{Puts: []record{put("c", 3)}}},
		"One has another TTL": {[]record{put("c", 3), old("b", 2, 1), put("a", 1)}, batch{Puts: []record{put("b", 2)}}},
		"All have another TTL": {[]record{old("c", 3, 1), old("b", 2, 1), old("a", 1, 1)},
			batch{Puts: []record{put("a", 1), put("b", 2), put("c", 3)}}},
		"One is another, the others have another TTL": {[]record{old("c", 3, 1), old("b", 9, 1), old("a", 1, 1)},
			batch{Puts: []record{put("a", 1), put("c", 3), put("b", 2)}}},
		"One is missing":         {[]record{put("c", 3), put("a", 1)}, batch{Posts: []record{put("", 2)}}},
		"One is one too many":    {[]record{put("d", 4), put("c", 3), put("b", 2), put("a", 1)}, batch{Deletes: []deletion{{"d"}}}},
		"One is there and wrong": {[]record{put("d", 4)}, batch{Puts: []record{put("d", 1)}, Posts: []record{put("", 2), put("", 3)}}},
	} {
		t.Run(name, func(t *testing.T) {
			list := listing{k: test.old, gone: {{ID: "x"}, {ID: "y"}}}
			if diff := cmp.Diff(test.want, newBatch(dns.Change{Put: []dns.RRset{set}}, list)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			removed := newBatch(dns.Change{Drop: []dns.Key{gone}}, list)
			if diff := cmp.Diff(batch{Deletes: []deletion{{"x"}, {"y"}}}, removed); diff != "" {
				t.Errorf("removing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCausesOfErrorsAreFound(t *testing.T) {
	errs := apiErrors{{Code: 1004, Message: "DNS Validation Error", ErrorChain: apiErrors{{Code: 9021, Message: "Invalid TTL."}}}}
	if !errs.has(codeTTL) || errs.has(codeGone) || errs.String() != "DNS Validation Error (1004), Invalid TTL. (9021)" {
		t.Errorf("got %v", errs)
	}
}

func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	for _, set := range []dns.RRset{
		dns.TLSARecord("cup1.cupdomain.com", 5269, 300, "0123456789abcdef"),
		dns.SRVRecord(dns.ServiceXMPPServer, "cupdomain.com", 300, dns.SRV{Priority: 1, Weight: 2, Port: 5269, Target: "cup1.cupdomain.com"}),
		{Name: "text.cupdomain.com.", Type: dns.TypeTXT, TTL: 300, Data: []dns.Data{dns.TXT{`a "b" \c`, "\x00\xff"}}},
	} {
		list := listing{}
		list.add(toRecord(set, set.Data[0]))
		if got, ok := list.get(set.Key()); !ok || !got.Equal(set) {
			t.Errorf("got %v, want %v", got, set)
		}
	}
}
