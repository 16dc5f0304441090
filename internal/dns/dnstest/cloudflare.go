// SPDX-License-Identifier: Apache-2.0

package dnstest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xmppfed/xmppfed/internal/dns"
)

// What the local Cloudflare accepts.
const (
	CloudflareToken  = "Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY"
	CloudflareZoneID = "023e105f4ecef8ad9ca31a8372d0c353"
	// cloudflareBatch is how many operations a batch may have in a zone of the free plan.
	cloudflareBatch = 200
	// cloudflareRecord is how many bytes a record may have on the wire, and cloudflareCharacters how many characters all with
	// one name and type.
	cloudflareRecord, cloudflareCharacters = 4096, 8192
)

// Cloudflare is the part of Cloudflare's API that has to do with records, for a zone in memory. It keeps to
// https://developers.cloudflare.com/api/resources/dns/subresources/records/: tokens, pages, batches that are carried out in
// order and as a whole or not at all, records that may not be there twice, limits, and error codes.
type Cloudflare struct {
	URL string
	// PageSize is how many records a page has at most; zero means as many as are asked for.
	PageSize int
	// MinTTL is 60, or 30 in an Enterprise zone.
	MinTTL uint32
	// Zones are listed by name.
	Zones []CloudflareZone
	// Others are records that a zone in memory can't hold: proxied ones.
	Others []CloudflareRecord

	t    testing.TB
	zone *Memory
	script[CloudflareFailure]
}

// CloudflareZone on the wire.
type CloudflareZone struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Status      string   `json:"status"`
	Type        string   `json:"type"`
	NameServers []string `json:"name_servers"`
}

// CloudflareRecord on the wire.
type CloudflareRecord struct {
	ID      string          `json:"id,omitempty"`
	Name    string          `json:"name"`
	Type    string          `json:"type"`
	TTL     uint32          `json:"ttl"`
	Content string          `json:"content,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	Proxied bool            `json:"proxied"`
	Comment string          `json:"comment,omitempty"`
}

// CloudflareFailure answers a request that has Operation in its method and path.
type CloudflareFailure struct {
	Operation    string
	Status, Code int
	Message      string
	RetryAfter   int
}

type cloudflareBatchBody struct {
	Deletes []CloudflareRecord `json:"deletes"`
	Puts    []CloudflareRecord `json:"puts"`
	Posts   []CloudflareRecord `json:"posts"`
}

// ServeCloudflare until the test ends.
func ServeCloudflare(t testing.TB, zone *Memory) *Cloudflare {
	t.Helper()
	c := &Cloudflare{t: t, zone: zone, MinTTL: 60, Zones: []CloudflareZone{{
		ID: CloudflareZoneID, Name: dns.Display(zone.Apex()), Status: "active", Type: "full",
		NameServers: []string{"bob.ns.example", "lola.ns.example"},
	}}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.URL = server.URL + "/client/v4/"
	return c
}

// ServeHTTP answers a request.
func (c *Cloudflare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	operation := r.Method + " " + r.URL.Path
	c.requests = append(c.requests, operation)
	if r.Header.Get("Authorization") != "Bearer "+CloudflareToken {
		CloudflareFailure{Status: 403, Code: 9109, Message: "Invalid access token"}.write(w)
		return
	}
	if failure, ok := c.fails(operation); ok {
		failure.write(w)
		return
	}
	zone := "/client/v4/zones/" + CloudflareZoneID
	switch {
	case operation == "GET /client/v4/zones":
		named := slices.DeleteFunc(slices.Clone(c.Zones), func(z CloudflareZone) bool { return z.Name != r.URL.Query().Get("name") })
		c.reply(w, named, len(named), 1)
	case operation == "GET "+zone:
		c.reply(w, c.Zones[0], 1, 1)
	case operation == "GET "+zone+"/dns_records":
		c.list(w, r)
	case operation == "POST "+zone+"/dns_records/batch":
		c.batch(w, r)
	case strings.HasPrefix(r.URL.Path, "/client/v4/zones/"):
		message := "Could not route to " + r.URL.Path + ", perhaps your object identifier is invalid?"
		CloudflareFailure{Status: 404, Code: 7003, Message: message}.write(w)
	default:
		c.t.Errorf("%s is no request of the API", operation)
		w.WriteHeader(http.StatusNotFound)
	}
}

func (f CloudflareFailure) to(operation string) bool { return strings.Contains(operation, f.Operation) }

func (f CloudflareFailure) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, `{"success":false,"errors":[{"code":%d,"message":%q}],"messages":[],"result":null}`, f.Code, f.Message)
}

func (c *Cloudflare) reply(w http.ResponseWriter, result any, total, pages int) {
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{
		"success": true, "errors": []any{}, "messages": []any{}, "result": result,
		"result_info": map[string]int{"total_count": total, "total_pages": pages},
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		c.t.Errorf("encoding an answer: %v", err)
	}
}

func (c *Cloudflare) list(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.URL.Query().Get("per_page"))
	if err != nil || size < 5 || size > 5000 {
		c.t.Errorf("a page of %q records is asked for", r.URL.Query().Get("per_page"))
	}
	if c.PageSize != 0 {
		size = c.PageSize
	}
	page, err := strconv.Atoi(r.URL.Query().Get("page"))
	if err != nil || page < 1 {
		c.t.Errorf("page %q is asked for", r.URL.Query().Get("page"))
	}
	all := c.records()
	from := min((page-1)*size, len(all))
	c.reply(w, all[from:min(from+size, len(all))], len(all), (len(all)+size-1)/size)
}

// batch carries out deletions, replacements and additions on a copy of the zone, which takes the zone's place at the end.
func (c *Cloudflare) batch(w http.ResponseWriter, r *http.Request) {
	var body cloudflareBatchBody
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil || r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("decoding a batch of type %q: %v", r.Header.Get("Content-Type"), err)
	}
	if n := len(body.Deletes) + len(body.Puts) + len(body.Posts); n == 0 || n > cloudflareBatch {
		CloudflareFailure{Status: 400, Code: 81000, Message: fmt.Sprintf("a batch can't have %d operations", n)}.write(w)
		return
	}
	c.beginChange()
	records, failed := c.run(body)
	if failed != nil {
		failed.write(w)
		return
	}
	c.store(records)
	if c.loses() {
		panic(http.ErrAbortHandler)
	}
	c.reply(w, map[string]any{}, 0, 0)
}

func (c *Cloudflare) run(body cloudflareBatchBody) ([]CloudflareRecord, *CloudflareFailure) {
	records := c.records()
	at := func(id string) int {
		return slices.IndexFunc(records, func(r CloudflareRecord) bool { return r.ID == id })
	}
	for _, d := range body.Deletes {
		i := at(d.ID)
		if i < 0 {
			return nil, &CloudflareFailure{Status: 404, Code: 81044, Message: "Record does not exist."}
		}
		records = slices.Delete(records, i, i+1)
	}
	for _, put := range body.Puts {
		i := at(put.ID)
		if i < 0 {
			return nil, &CloudflareFailure{Status: 404, Code: 81044, Message: "Record does not exist."}
		}
		others := slices.Delete(slices.Clone(records), i, i+1)
		if failed := c.admit(put, others); failed != nil {
			return nil, failed
		}
		records[i] = put
	}
	for _, post := range body.Posts {
		if post.ID != "" {
			c.t.Errorf("%s %s is to be created with an identifier", post.Type, post.Name)
		}
		if failed := c.admit(post, records); failed != nil {
			return nil, failed
		}
		records = append(records, post)
	}
	return records, nil
}

// admit a record beside others.
func (c *Cloudflare) admit(r CloudflareRecord, others []CloudflareRecord) *CloudflareFailure {
	if !dns.InZone(r.Name, c.zone.Apex()) || strings.HasSuffix(r.Name, ".") {
		c.t.Errorf("%s would become %s.%s", r.Name, r.Name, c.zone.Apex())
	}
	if r.TTL != 1 && (r.TTL < c.MinTTL || r.TTL > 86400) {
		message := "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic."
		return &CloudflareFailure{Status: 400, Code: 9021, Message: message}
	}
	if structured := r.Type == "SRV" || r.Type == "TLSA"; structured != (r.Content == "" && len(r.Data) > 0) {
		return &CloudflareFailure{Status: 400, Code: 9101, Message: "data is a required data field."}
	}
	if r.Type == "TXT" && (!strings.HasPrefix(r.Content, `"`) || c.size(r) > cloudflareRecord) {
		return &CloudflareFailure{Status: 400, Code: 9207, Message: "Content for TXT record is invalid."}
	}
	characters := len(r.Content)
	for _, other := range others {
		if other.Name != r.Name {
			continue
		}
		if other.Type == r.Type {
			characters += len(other.Content)
		}
		switch {
		case other.Type == r.Type && c.sameContent(other, r):
			return &CloudflareFailure{Status: 400, Code: 81058, Message: "An identical record already exists."}
		case other.Type == "CNAME":
			return &CloudflareFailure{Status: 400, Code: 81054, Message: "A CNAME record with that host already exists."}
		case r.Type == "CNAME":
			return &CloudflareFailure{Status: 400, Code: 81053, Message: "An A, AAAA, or CNAME record with that host already exists."}
		}
	}
	if characters > cloudflareCharacters {
		return &CloudflareFailure{Status: 400, Code: 9207, Message: "Content of the records with that host is too long."}
	}
	return nil
}

func (c *Cloudflare) sameContent(a, b CloudflareRecord) bool {
	_, one := c.parse(a)
	_, other := c.parse(b)
	return one.String() == other.String()
}

// cloudflareID is made from what a record holds, as a zone in memory has no place for identifiers.
func cloudflareID(name, data string) string {
	sum := sha256.Sum256([]byte(name + " " + data))
	return hex.EncodeToString(sum[:16])
}
