// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosody_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/xmppfed/xmppfed/internal/engine/prosody/prosodytest"
)

// readJournals writes journals with each of the texts in the files /tmp/text-N, and reads them back whole and torn.
const readJournals = `local lines = dofile("/tmp/lines.lua")
debug.sethook(function () print("more than 1e10 instructions"); os.exit(1); end, "", 1e10);
local function expect(what, got, want)
	if got ~= want then print(("%s: %q instead of %q"):format(what, tostring(got), tostring(want)):sub(1, 500)); end
end
local function is_first(what, entry)
	expect(what, entry and entry.x, "first"); expect(what, entry and entry.m, "m1"); expect(what, entry and entry.s, 1);
end
local first, later = lines.message("t-_1", 1, "m1", 1, "first"), lines.acknowledgement("t-_1", 12);
for i = 1, tonumber(arg[1]) do
	local text = io.open("/tmp/text-"..i, "rb"):read("*a");
	local line = lines.message("t-_1", 20, "m2", 1700000000, text);
	local entries, dropped = lines.parse(first..line..later);
	expect(i, #entries, 3); expect(i, dropped, 0);
	is_first(i, entries[1]);
	expect(i, entries[2].x, text); expect(i, entries[2].t, "t-_1"); expect(i, entries[2].s, 20); expect(i, entries[2].w, 1700000000);
	expect(i, entries[3].t, "t-_1"); expect(i, entries[3].h, 12);
	expect(i, lines.format(entries[2])..lines.format(entries[3]), line..later);
	for _, whole in ipairs({ line, later }) do
		for cut = 1, #whole - 1, math.max(1, #whole // 400) do
			local what, torn = i.." cut at "..cut, whole:sub(1, cut);
			entries, dropped = lines.parse(first..torn);
			expect(what, #entries, 1); expect(what, dropped, 1); is_first(what, entries[1]);
			entries, dropped = lines.parse(torn.."\n"..first..later);
			if cut < #whole - 1 then -- of which only the line break is not there
				expect(what, #entries, 2); expect(what, dropped, 1); is_first(what, entries[1]);
			end
		end
	end
end
print("done")`

func TestJournal_ReadsWhatIsWholeAndRunsNothing(t *testing.T) {
	texts := []string{
		"", ".", "\n", "\n\n.\n", "\\", "\\n", "\\\n\\\\n\n\\", "\r\n", "\x00", "a\x00b.\n\x00", "\xff\xfe\xc3(", " ",
		"+ t 1 m 1 5 first.\n", "- t-_1 99.\n", "first.\n+ t-_1 1 m1 1 5 first.\n", "+ t-_1 20 m2 1700000000 0 .",
		`item({ os.exit(1) });`, `");os.exit(1)--`, "]] os.exit(1) --[[", "%s%d%%1", "<message><body>\u00fc \U0001F600 \u2028</body></message>",
		strings.Repeat("x.\n\\", 10_000), strings.Repeat("9 ", 5_000),
	}
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			files, _ := r.render()
			r.WriteTmp(t, "lines.lua", files["xmppfed_lines.lib.lua"])
			r.WriteTmp(t, "read.lua", readJournals)
			for i, text := range texts {
				r.WriteTmp(t, fmt.Sprintf("text-%d", i+1), text)
			}
			out, err := r.Run(t, "lua5.4", "/tmp/read.lua", fmt.Sprint(len(texts)))
			r.Expect(err).NotTo(HaveOccurred(), out)
			r.Expect(out).To(Equal("done\n"))
		})
	}
}

func (r *rig) journal(user, ending string) string {
	return r.DataPath("cupdomain%2ecom", "xmppfed_journal", user+"."+ending)
}

// formerJournal is what an earlier version has left on disk: the first of three messages is acknowledged, a fourth is torn.
func formerJournal() string {
	const message = "item({\n\t[\"t\"] = \"former\";\n\t[\"s\"] = %[1]d;\n\t[\"m\"] = \"f%[1]d\";\n\t[\"w\"] = 1700000000;\n\t[\"x\"] = {\n" +
		"\t\t[\"name\"] = \"message\";\n\t\t[\"attr\"] = {\n\t\t\t[\"to\"] = \"cupuser2@cupdomain.com\";\n" +
		"\t\t\t[\"type\"] = \"chat\";\n\t\t\t[\"from\"] = \"a@gmail.com\";\n\t\t};\n" +
		"\t\t{\n\t\t\t[\"name\"] = \"body\";\n\t\t\t[\"attr\"] = {};\n\t\t\t\"hib %[1]d\";\n\t\t};\n\t};\n});\n"
	var text strings.Builder
	for n := 1; n <= 3; n++ {
		fmt.Fprintf(&text, message, n)
	}
	return text.String() + "item({\n\t[\"t\"] = \"former\";\n\t[\"h\"] = 1;\n});\n"
}

const tornEntry = "item({\n\t[\"t\"] = \"former\";\n\t[\"s\"] = 4;\n\t[\"x\"] = {\n\t\t[\"na"

func (r *rig) writeJournal(t *testing.T, ending, text string) {
	r.WriteData(t, text, "cupdomain%2ecom", "xmppfed_journal", "cupuser2."+ending)
}

func TestJournal_OfAnEarlierVersion(t *testing.T) {
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.writeJournal(t, "list", formerJournal()+tornEntry)
			r.Start(t)
			r.Expect(r.waiting()).To(Equal([]string{"2", "3"}))
			r.Expect(r.journal("cupuser2", "list")).NotTo(BeAnExistingFile())
		})
	}
}

// The modules of a running server are replaced when a new version of the operator renders others.
func TestJournal_OfAnEarlierVersionThatIsReplacedWhileItRuns(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.writeJournal(t, "list", formerJournal())
		stream, _ := r.loginResumable()
		r.vanish(stream)
		r.sendMessages(t, 4, 5)
		r.Expect(r.journal("cupuser2", "list")).NotTo(BeAnExistingFile())
		r.Kill()
		r.Start(t)
		r.Expect(r.waiting()).To(Equal(sequence(2, 5)))
	})
}

// A client that acknowledges as it reads, for longer than its journal may grow.
func TestJournal_DropsWhatIsAcknowledged(t *testing.T) {
	const many, unread = 1500, 30
	each(t, func(t *testing.T, r *rig) {
		stream, _ := r.loginResumable()
		for first := 1; first <= many; first += 50 {
			r.sendMessages(t, first, first+49)
			r.Expect(numbers(r.untilPong(stream))).To(HaveLen(50))
			r.ack(stream, 1+(first+49-unread)+first/50) // its presence, messages, and the pongs before
		}
		r.untilPong(stream)
		text, err := os.ReadFile(r.journal("cupuser2", "journal"))
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(strings.Count(string(text), "\n")).To(BeNumerically("<", 700))
		r.Kill()
		stream.Close()
		r.Start(t)
		r.Expect(r.waiting()).To(Equal(sequence(many-unread+1, many)))
		r.Expect(r.journal("cupuser2", "journal")).NotTo(BeAnExistingFile())
	})
}

func TestJournal_OfAClientThatHasEverythingIsRemoved(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream, _ := r.loginResumable()
		defer stream.Close()
		r.sendMessages(t, 1, 3)
		r.Expect(numbers(r.untilPong(stream))).To(Equal(sequence(1, 3)))
		r.Expect(r.journal("cupuser2", "journal")).To(BeAnExistingFile())
		r.ack(stream, 1+3)
		r.untilPong(stream)
		r.Eventually(func() string { return r.journal("cupuser2", "journal") }).ShouldNot(BeAnExistingFile())
		r.Expect(r.OpenFiles(t, "xmppfed_journal")).To(BeEmpty())
	})
}

// More users are away than files may be open.
func TestJournal_KeepsFewFilesOpen(t *testing.T) {
	const users, most = 12, 5
	for _, version := range prosodytest.Versions {
		t.Run("Prosody "+version, func(t *testing.T) {
			r := newRig(t, version)
			r.adjust = func(files map[string]string) {
				const name = "xmppfed_journal.lib.lua"
				before := files[name]
				files[name] = strings.Replace(before, "local max_open = 64;", fmt.Sprintf("local max_open = %d;", most), 1)
				r.Expect(files[name]).NotTo(Equal(before))
			}
			r.mountConfig(t)
			accounts := map[string]string{"cupuser2": "pw2"}
			for i := range users {
				accounts[fmt.Sprintf("user%d", i)] = "pw"
			}
			r.accounts(accounts)
			data, _ := r.secrets.Data()
			r.SetSecret(t, data)
			r.Start(t)
			for i := range users {
				stream := r.login(fmt.Sprintf("user%d", i), "pw")
				r.Expect(stream.Send("<enable xmlns='urn:xmpp:sm:3' resume='true'/><presence/>")).To(Succeed())
				_, err := stream.Expect("<presence")
				r.Expect(err).NotTo(HaveOccurred())
				r.vanish(stream)
			}
			server := r.federate(t, domain)
			for n := range 3 {
				for i := range users {
					r.Expect(server.Send(fmt.Sprintf("<message from='a@%s' to='user%d@%s' type='chat'><body>hib %d</body></message>",
						partner, i, domain, n+1))).To(Succeed())
				}
			}
			r.Expect(server.Ack()).To(Succeed())
			r.Expect(r.OpenFiles(t, "xmppfed_journal")).To(HaveLen(most))
			r.Kill()
			server.Close()
			r.Start(t)
			for i := range users {
				r.Expect(numbers(r.mail(fmt.Sprintf("user%d", i), "pw"))).To(Equal(sequence(1, 3)), "user%d", i)
			}
		})
	}
}

func TestJournal_GoesWithItsAccount(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stream, _ := r.loginResumable()
		r.vanish(stream)
		r.sendMessages(t, 1, 3)
		r.Expect(r.journal("cupuser2", "journal")).To(BeAnExistingFile())
		r.deliverAccounts(t, map[string]string{"cupuser1": "pw1"})
		r.writeJournal(t, "journal", "+ t 1 m 1700000000 3 abc.\n") // of a session that nothing is known of
		r.deliverAccounts(t, map[string]string{"cupuser1": "pw1", "cupuser2": "of somebody else"})
		r.Expect(filepath.Glob(r.DataPath("cupdomain%2ecom", "*", "cupuser2.*"))).To(BeEmpty())
		r.Expect(r.OpenFiles(t, "xmppfed_journal")).To(BeEmpty())
		r.Expect(numbers(r.mail("cupuser2", "of somebody else"))).To(BeEmpty())
	})
}

func TestServerKeepsAMessageAsItCame(t *testing.T) {
	const text = "\"quotes\" 'and' \\ backslashes\\n &lt;tags/&gt; &amp;\n\nlines. ]] --[[ item(1); %d \u00fc \U0001F600 \u2028\n" +
		"+ t 1 m 1 1 x.\n"
	each(t, func(t *testing.T, r *rig) {
		stream, _ := r.loginResumable()
		r.vanish(stream)
		server := r.federate(t, domain)
		r.Expect(server.Send(fmt.Sprintf("<message from='a@%s' to='cupuser2@%s' type='chat' xml:lang='de' id='it&apos;s'>"+
			"<body>%s</body><x xmlns='urn:example:x' a='&quot;'><y xmlns='urn:example:y'/></x></message>", partner, domain, text))).To(Succeed())
		r.Expect(server.Ack()).To(Succeed())
		r.Kill()
		server.Close()
		r.Start(t)
		again := r.login("cupuser2", "pw2")
		defer again.Close()
		r.Expect(again.Send("<presence/>")).To(Succeed())
		got := strings.NewReplacer("&apos;", "'", "&quot;", `"`).Replace(r.untilPong(again))
		r.Expect(got).To(ContainSubstring("<body>" + text + "</body>"))
		r.Expect(got).To(MatchRegexp(`<message [^>]*xml:lang='de'`))
		r.Expect(got).To(MatchRegexp(`<x [^>]*xmlns='urn:example:x'[^>]*>\s*<y [^>]*xmlns='urn:example:y'/>`))
	})
}
