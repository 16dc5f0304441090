// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Writer sends numbered messages on a stream with stream management (XEP-0198), and learns which of them the server acknowledged
// and which it returned.
type Writer struct {
	// Name is part of every message, so that readers know who wrote it.
	Name   string
	stream *Stream
	from   string
	to     []string

	mu       sync.Mutex
	sent     int
	acked    int
	returned map[int]string
	done     chan struct{}
}

var (
	ackTag = regexp.MustCompile(`^<a\s[^>]*\bh='(\d+)'`)
	idOf   = regexp.MustCompile(`^<message\s[^>]*\bid='n(\d+)'`)
	// written finds the name and the number of messages of writers.
	written = regexp.MustCompile(`<body>no (\w+) (\d+)</body>`)
)

// Write has messages sent to each of the addresses in turn, on a stream that nothing was sent on since stream management was enabled.
func (s *Stream) Write(name, from string, to ...string) *Writer {
	w := &Writer{Name: name, stream: s, from: from, to: to, returned: map[int]string{}, done: make(chan struct{})}
	go w.read()
	return w
}

// Send sends one more message, and asks whether all have come.
func (w *Writer) Send() error {
	w.mu.Lock()
	w.sent++
	n := w.sent
	w.mu.Unlock()
	const message = "<message from='%s' to='%s' type='chat' id='n%d'><body>no %s %d</body></message><r xmlns='urn:xmpp:sm:3'/>"
	return w.stream.Send(fmt.Sprintf(message, w.from, w.to[n%len(w.to)], n, w.Name, n))
}

func (w *Writer) read() {
	defer close(w.done)
	var message string
	for {
		tag, err := w.stream.Expect(">")
		if err != nil {
			return
		}
		if message != "" || strings.HasPrefix(tag, "<message") {
			message += tag
		}
		if match := ackTag.FindStringSubmatch(tag); match != nil {
			w.note(match[1])
		}
		if strings.HasSuffix(message, "</message>") {
			w.takeBack(message)
			message = ""
		}
	}
}

func (w *Writer) note(h string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := strconv.Atoi(h)
	w.acked = max(w.acked, n)
}

func (w *Writer) takeBack(message string) {
	id := idOf.FindStringSubmatch(message)
	if id == nil || !strings.Contains(message, "type='error'") {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n, _ := strconv.Atoi(id[1])
	w.returned[n] = message
}

// Acked returns how many messages were acknowledged.
func (w *Writer) Acked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.acked
}

// Returned returns the messages that came back with an error, by number.
func (w *Writer) Returned() map[int]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.returned)
}

// Done is closed when the stream has ended.
func (w *Writer) Done() <-chan struct{} { return w.done }

// Lost returns the numbers of the messages that were acknowledged, did not come back, and are not in what the recipients got.
func (w *Writer) Lost(got ...string) (lost []int) {
	arrived := map[int]bool{}
	for _, text := range got {
		for _, match := range written.FindAllStringSubmatch(text, -1) {
			if match[1] == w.Name {
				n, _ := strconv.Atoi(match[2])
				arrived[n] = true
			}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := 1; n <= w.acked; n++ {
		if _, back := w.returned[n]; !back && !arrived[n] {
			lost = append(lost, n)
		}
	}
	return lost
}
