// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// What the local Route 53 accepts.
const (
	Route53Region = "eu-west-1"
	Route53KeyID  = "AKIAIOSFODNN7EXAMPLE"
	Route53Secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	Route53ZoneID = "Z0123456789ABCDEFGHIJ"
)

// Route53 is the part of Amazon Route 53's API that has to do with record sets, for a zone in memory. It keeps to
// https://docs.aws.amazon.com/Route53/latest/APIReference/: signatures, order and pages of lists, change batches that are
// carried out as a whole or not at all, conditions of their actions, limits, and error messages.
type Route53 struct {
	URL string
	// PageSize is how many record sets a list has at most; zero means 300.
	PageSize int
	// Zones are listed by name, as "ID name" or "ID name private".
	Zones []string
	// Others are record sets that a zone in memory can't hold: aliases, weighted ones.
	Others []Route53Set

	t    testing.TB
	zone *Memory
	script[Route53Failure]
}

// Route53Set is a record set on the wire.
type Route53Set struct {
	Name, Type    string
	SetIdentifier string        `xml:",omitempty"`
	Weight        *int64        `xml:",omitempty"`
	TTL           *int64        `xml:",omitempty"`
	Records       []Route53Data `xml:"ResourceRecords>ResourceRecord"`
	AliasTarget   *Route53Alias `xml:",omitempty"`
}

// Route53Data is one record of a set.
type Route53Data struct{ Value string }

// Route53Alias leads to an AWS resource.
type Route53Alias struct {
	HostedZoneId, DNSName string //nolint:revive // names on the wire
	EvaluateTargetHealth  bool
}

// Route53Failure answers a request that has Operation in its method and path.
type Route53Failure struct {
	Operation, Code, Message string
	Status                   int
}

type route53Change struct {
	Action string
	Set    Route53Set `xml:"ResourceRecordSet"`
}

// ServeRoute53 until the test ends.
func ServeRoute53(t testing.TB, zone *Memory) *Route53 {
	t.Helper()
	r := &Route53{t: t, zone: zone, Zones: []string{Route53ZoneID + " " + zone.Apex()}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.URL = server.URL
	return r
}

// ServeHTTP answers a request.
func (r *Route53) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := strings.TrimSuffix(request.URL.Path, "/")
	operation := request.Method + " " + path
	r.requests = append(r.requests, operation)
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // whoever asks has given up
	}
	if failed := r.checkSignature(request, body); failed != nil {
		failed.write(w)
		return
	}
	if failure, ok := r.fails(operation); ok {
		failure.write(w)
		return
	}
	zone := "/2013-04-01/hostedzone/" + Route53ZoneID
	switch {
	case operation == "GET /2013-04-01/hostedzonesbyname":
		r.reply(w, "ListHostedZonesByNameResponse", "<HostedZones>"+r.listZones()+"</HostedZones><MaxItems>100</MaxItems>")
	case operation == "GET "+zone:
		r.reply(w, "GetHostedZoneResponse", zoneXML(r.Zones[0]))
	case operation == "GET "+zone+"/rrset":
		r.list(w, request)
	case operation == "POST "+zone+"/rrset":
		r.change(w, body)
	case strings.HasPrefix(path, "/2013-04-01/hostedzone/"):
		Route53Failure{Status: 404, Code: "NoSuchHostedZone", Message: "No hosted zone found with ID: X"}.write(w)
	default:
		r.t.Errorf("%s is no request of the API", operation)
		w.WriteHeader(http.StatusNotFound)
	}
}

// checkSignature signs the request once more and compares (Signature Version 4).
func (r *Route53) checkSignature(request *http.Request, body []byte) *Route53Failure {
	got := request.Header.Get("Authorization")
	if !strings.HasPrefix(got, "AWS4-HMAC-SHA256 Credential="+Route53KeyID+"/") {
		return &Route53Failure{Status: 403, Code: "InvalidClientTokenId", Message: "The security token included in the request is invalid."}
	}
	at, err := time.Parse("20060102T150405Z", request.Header.Get("X-Amz-Date"))
	if err != nil {
		r.t.Errorf("reading the time of a signature: %v", err)
	}
	again := request.Clone(request.Context())
	again.Header = http.Header{}
	_, names, _ := strings.Cut(got, "SignedHeaders=")
	names, _, _ = strings.Cut(names, ",")
	for name := range strings.SplitSeq(names, ";") {
		if values := request.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	again.URL.Host, again.ContentLength = request.Host, int64(len(body))
	hash := sha256.Sum256(body)
	key := aws.Credentials{AccessKeyID: Route53KeyID, SecretAccessKey: Route53Secret}
	err = v4.NewSigner().SignHTTP(request.Context(), key, again, hex.EncodeToString(hash[:]), "route53", Route53Region, at)
	if err != nil || again.Header.Get("Authorization") != got {
		return &Route53Failure{Status: 403, Code: "SignatureDoesNotMatch",
			Message: "The request signature we calculated does not match the signature you provided."}
	}
	return nil
}

func (f Route53Failure) to(operation string) bool { return strings.Contains(operation, f.Operation) }

func (f Route53Failure) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type>`+
		`<Code>%s</Code><Message>%s</Message></Error><RequestId>b25f48e8-84fd-11e6-80d9-574e0c4664cb</RequestId></ErrorResponse>`,
		f.Code, escapeXML(f.Message))
}

func escapeXML(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer takes everything
	return b.String()
}

func (r *Route53) reply(w http.ResponseWriter, element, content string) {
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, `<?xml version="1.0"?><%s xmlns="https://route53.amazonaws.com/doc/2013-04-01/">%s</%s>`, element, content, element)
}

func (r *Route53) listZones() string {
	var b strings.Builder
	for _, zone := range r.Zones {
		b.WriteString(zoneXML(zone))
	}
	return b.String()
}

func zoneXML(zone string) string {
	fields := strings.Fields(zone)
	return fmt.Sprintf("<HostedZone><Id>/hostedzone/%s</Id><Name>%s</Name><CallerReference>x</CallerReference><Config><PrivateZone>%t"+
		"</PrivateZone></Config></HostedZone>", fields[0], fields[1], len(fields) > 2)
}

// list answers with a page in order, beginning at the name, type and identifier that are asked for.
func (r *Route53) list(w http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()
	limit, err := strconv.Atoi(query.Get("maxitems"))
	if r.PageSize != 0 {
		limit = r.PageSize
	}
	if err != nil || limit < 1 || limit > 300 || query.Get("name") == "" && query.Get("type") != "" {
		Route53Failure{Status: 400, Code: "InvalidInput", Message: "invalid position of a list"}.write(w)
		return
	}
	start := Route53Set{Name: query.Get("name"), Type: query.Get("type"), SetIdentifier: query.Get("identifier")}
	sets := slices.DeleteFunc(r.sets(), func(s Route53Set) bool { return start.Name != "" && compareRoute53(s, start) < 0 })
	next := ""
	if len(sets) > limit {
		n := sets[limit]
		next = fmt.Sprintf("<NextRecordName>%s</NextRecordName><NextRecordType>%s</NextRecordType>", escapeXML(n.Name), n.Type)
		if n.SetIdentifier != "" {
			next += "<NextRecordIdentifier>" + escapeXML(n.SetIdentifier) + "</NextRecordIdentifier>"
		}
		sets = sets[:limit]
	}
	var b bytes.Buffer
	if err := xml.NewEncoder(&b).EncodeElement(sets, xml.StartElement{Name: xml.Name{Local: "ResourceRecordSet"}}); err != nil {
		r.t.Errorf("encoding a list: %v", err)
	}
	r.reply(w, "ListResourceRecordSetsResponse", fmt.Sprintf("<ResourceRecordSets>%s</ResourceRecordSets><IsTruncated>%t</IsTruncated>%s"+
		"<MaxItems>%d</MaxItems>", b.String(), next != "", next, limit))
}

// change carries out a batch: one action after the other on a copy of the zone, which takes the zone's place at the end.
func (r *Route53) change(w http.ResponseWriter, body []byte) {
	var request struct {
		Changes []route53Change `xml:"ChangeBatch>Changes>Change"`
	}
	if err := xml.Unmarshal(body, &request); err != nil || len(request.Changes) == 0 {
		r.t.Errorf("reading a change batch: %v", err)
	}
	r.beginChange()
	sets, err := r.run(request.Changes)
	if err != nil {
		Route53Failure{Status: 400, Code: "InvalidChangeBatch", Message: "[" + err.Error() + "]"}.write(w)
		return
	}
	var change dns.Change
	for _, set := range r.zone.Sets() {
		change.Drop = append(change.Drop, set.Key())
	}
	r.Others = nil
	for _, set := range sets {
		if set.SetIdentifier != "" || set.AliasTarget != nil {
			r.Others = append(r.Others, set)
			continue
		}
		parsed, err := set.parse()
		if err != nil {
			r.t.Errorf("storing %v: %v", set, err)
		}
		change.Put = append(change.Put, parsed)
	}
	r.zone.Edit(change)
	if r.loses() {
		panic(http.ErrAbortHandler)
	}
	r.reply(w, "ChangeResourceRecordSetsResponse", "<ChangeInfo><Id>/change/C2682N5HXP0BZ4</Id><Status>PENDING</Status>"+
		"<SubmittedAt>2017-03-10T01:36:41.958Z</SubmittedAt></ChangeInfo>")
}

func (r *Route53) run(changes []route53Change) ([]Route53Set, error) {
	sets := r.sets()
	records, characters := 0, 0
	for _, c := range changes {
		at := slices.IndexFunc(sets, func(s Route53Set) bool { return compareRoute53(s, c.Set) == 0 })
		what := fmt.Sprintf("resource record set [name='%s', type='%s']", c.Set.Name, c.Set.Type)
		records += len(c.Set.Records)
		for _, record := range c.Set.Records {
			characters += len(record.Value)
		}
		switch {
		case c.Action == "CREATE" && at >= 0:
			return nil, refuse("Tried to create %s but it already exists", what)
		case c.Action == "DELETE" && at < 0:
			return nil, refuse("Tried to delete %s but it was not found", what)
		case c.Action == "DELETE" && !c.Set.same(sets[at]):
			return nil, refuse("Tried to delete %s but the values provided do not match the current values", what)
		case c.Action == "DELETE":
			sets = slices.Delete(sets, at, at+1)
		case c.Action == "CREATE":
			if err := r.admit(c.Set, sets); err != nil {
				return nil, err
			}
			sets = append(sets, c.Set)
		default:
			r.t.Errorf("action %s is not expected", c.Action)
		}
	}
	if records > 1000 || characters > 32000 {
		return nil, refuse("Number of records limit of 1000 or of characters of 32000 exceeded")
	}
	return sets, nil
}
