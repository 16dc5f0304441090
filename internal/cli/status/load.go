// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/internal/cli/text"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// maxNamed is how many bounds, or peers, a row names.
const maxNamed = 12

// fact is one of the facts.
type fact struct {
	name, value string
	tone        text.Tone
}

// load is how near the servers are to their bounds, and what they refused at them.
func load(live []engine.LiveStatus) []fact {
	if len(live) == 0 {
		return nil
	}
	refused, delayed := map[string]int64{}, map[string]int64{}
	var connecting, waiting, removed int64
	for i := range live {
		add(refused, live[i].Refusals())
		delete(refused, engine.BoundRate) // counts seconds
		add(delayed, live[i].Delays())
		if others := live[i].Limits.Delayed[""]; others > 0 {
			delayed["unlisted domains"] += others
		}
		connecting, waiting = connecting+live[i].Limits.Connecting, waiting+live[i].Limits.Waiting
		removed = max(removed, live[i].RemovedAccounts)
	}
	rows := []fact{memory(live), volume(live)}
	if connecting+waiting > 0 {
		rows = append(rows, fact{"STREAMS", fmt.Sprintf("%d being opened, %d waiting for their turn", connecting, waiting), text.Plain})
	}
	if removed > 0 {
		value := fmt.Sprintf("of %s something is still stored", count(int(removed), "former account"))
		rows = append(rows, fact{"REMOVED", value, text.Warning})
	}
	return append(rows,
		counted("REFUSED", refused, "nothing since the server started", func(n int64) string { return count(int(n), "time") }),
		counted("DELAYED", delayed, "", func(n int64) string { return (time.Duration(n) * time.Second).String() }))
}

// add adds counts to a sum.
func add(sum, counts map[string]int64) {
	for name, n := range counts {
		sum[name] += n
	}
}

// share returns the part of something that is used.
func share(used, all int64) float64 { return float64(used) / float64(max(all, 1)) }

// volume returns the fullest data volume of all servers.
func volume(live []engine.LiveStatus) fact {
	fullest := slices.MaxFunc(live, func(a, b engine.LiveStatus) int {
		return cmp.Compare(share(a.Volume.UsedBytes, a.Volume.Bytes), share(b.Volume.UsedBytes, b.Volume.Bytes))
	}).Volume
	if fullest.Bytes == 0 { // it does not say
		return fact{}
	}
	percent := int(100 * share(fullest.UsedBytes, fullest.Bytes))
	value := fmt.Sprintf("%d MiB of %d MiB (%d %%)", fullest.UsedBytes>>20, fullest.Bytes>>20, percent)
	if fullest.ShortOfFiles() {
		value += fmt.Sprintf(", %d of %d files", fullest.UsedFiles, fullest.Files)
	}
	if slices.ContainsFunc(live, func(s engine.LiveStatus) bool { return s.Volume.Full }) {
		return fact{"VOLUME", value + ", messages for users who are away are refused", text.Warning}
	}
	return fact{"VOLUME", value, text.Plain}
}

// memory returns the memory of the server that is nearest to its limit.
func memory(live []engine.LiveStatus) fact {
	fullest := slices.MaxFunc(live, func(a, b engine.LiveStatus) int {
		return cmp.Compare(share(a.Limits.MemoryBytes, a.Limits.MemoryLimitBytes), share(b.Limits.MemoryBytes, b.Limits.MemoryLimitBytes))
	})
	used := fmt.Sprintf("%d MiB", fullest.Limits.MemoryBytes>>20)
	switch {
	case fullest.Limits.MemoryBytes == 0: // it does not say
		return fact{}
	case fullest.Limits.MemoryLimitBytes == 0:
		return fact{"MEMORY", used + ", without a limit", text.Plain}
	}
	percent := int(100 * share(fullest.Limits.MemoryBytes, fullest.Limits.MemoryLimitBytes))
	tone := text.Plain
	if percent >= fullMemory {
		tone = text.Warning
	}
	return fact{"MEMORY", fmt.Sprintf("%s of %d MiB (%d %%)", used, fullest.Limits.MemoryLimitBytes>>20, percent), tone}
}

// fullMemory is the part of the memory limit, in percent, above which servers refuse something.
const fullMemory = 70

// counted is what servers have counted since they started, most first; none if they have not counted anything.
func counted(name string, counts map[string]int64, none string, say func(int64) string) fact {
	if len(counts) == 0 {
		return fact{name, none, text.Plain}
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	parts := make([]string, 0, maxNamed+1)
	for _, one := range names[:min(len(names), maxNamed)] {
		parts = append(parts, text.Clean(one)+" "+say(counts[one]))
	}
	if rest := len(names) - maxNamed; rest > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", rest))
	}
	return fact{name, strings.Join(parts, ", ") + ", since the server started", text.Warning}
}

// streams are those that the servers have with others, and how many there are: of very many, servers list only the first.
func streams(live []engine.LiveStatus) (all []engine.Session, total int) {
	for i := range live {
		all = append(all, live[i].Sessions...)
		total += int(live[i].SessionsTotal)
	}
	return all, total
}
