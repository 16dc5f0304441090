// SPDX-License-Identifier: Apache-2.0

package route53

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/google/go-cmp/cmp"

	"github.com/xmppfed/xmppfed/internal/dns"
)

func TestValuesAreReadAsRoute53WritesThem(t *testing.T) {
	for _, test := range []struct {
		kind  uint16
		value string
		want  string
	}{
		{dns.TypeA, "203.0.113.1", "203.0.113.1"},
		{dns.TypeAAAA, "2001:DB8:0::5", "2001:db8::5"},
		{dns.TypeSRV, "0 0 5269 Cup1.cupdomain.com", "0 0 5269 cup1.cupdomain.com."},
		{dns.TypeSRV, "0 0 5269 cup1.cupdomain.com.", "0 0 5269 cup1.cupdomain.com."},
		{dns.TypeTLSA, "3 1 1 AB", "3 1 1 ab"},
		{dns.TypeCNAME, "Elsewhere.example", "elsewhere.example."},
		{dns.TypeTXT, `"v=xf1;a=b" "c d"`, `"v=xf1;a=b" "c d"`},
		{dns.TypeTXT, `"a\052b\134c\"d"`, `"a*b\\c\"d"`},
		{dns.TypeTXT, `"\400 \9"`, `"400 9"`},
		{dns.TypeTXT, `no quotes`, `"no quotes"`},
		{dns.TypeTXT, `"no end`, `"\"no end"`},
		{dns.TypeTXT, `"no end\"`, `"\"no end\\\""`},
		{dns.TypeTXT, `""`, `""`},
		{dns.TypeA, "no address", `"no address"`},
		{dns.TypeSRV, "0 0 99999 a.example", `"0 0 99999 a.example."`},
		{dns.TypeSRV, "", `"."`},
	} {
		k := dns.Key{Name: "a.cupdomain.com.", Type: test.kind}
		if got := parseValue(k, test.value).String(); got != test.want {
			t.Errorf("%s %s: got %s, want %s", dns.TypeName(test.kind), test.value, got, test.want)
		}
	}
}

func TestTextIsWrittenWithOctalEscapes(t *testing.T) {
	if got, want := formatText(dns.TXT{`a "b" \c`, "\x00\xff ~"}), `"a \"b\" \\c" "\000\377 ~"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatIsNoListOfValuesEqualsNothingWanted(t *testing.T) {
	k := dns.Key{Name: "cup1.cupdomain.com.", Type: dns.TypeA}
	got := fromRoute53(k, []types.ResourceRecordSet{
		{AliasTarget: &types.AliasTarget{DNSName: aws.String("dualstack.lb.example.")}},
		{SetIdentifier: aws.String("east"), TTL: aws.Int64(60), ResourceRecords: []types.ResourceRecord{{Value: aws.String("203.0.113.1")}}},
	})
	want := []string{`"alias of dualstack.lb.example."`, `"routed by set identifier east"`, "203.0.113.1"}
	if diff := cmp.Diff(want, got.Strings()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListsAreInTheOrderThatRoute53Documents(t *testing.T) {
	want := []string{"example.com.", "a.example.com.", "z.a.example.com.", "a-b.example.com.", "b.example.com.", "_tcp.c.example.com."}
	// '-' comes before '.', so a-b.example.com comes before z.a.example.com; both come after a.example.com itself.
	want[2], want[3] = want[3], want[2]
	want[1], want[2] = "a-b.example.com.", "a.example.com."
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b string) int { return strings.Compare(listOrder(a), listOrder(b)) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if before("0.example.com.", `\052.example.com.`) {
		t.Error("a name that needs escapes lets one be skipped that it may come before")
	}
}

func FuzzText(f *testing.F) {
	f.Add(`a"b\c`, "\x00")
	f.Add(`\052`, `" "`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if got := parseText(formatText(dns.TXT{a, b})); len(got) != 2 || got[0] != a || got[1] != b {
			t.Errorf("%q and %q became %q", a, b, got)
		}
		parseText(a)
	})
}
