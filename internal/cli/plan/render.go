// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"

	"github.com/xmppfed/xmppfed/internal/cli/text"
)

// marks stand before what they are about, in the manner of diff.
var marks = map[Action]string{Create: "+", Change: "~", Delete: "-"}

var tones = map[Action]text.Tone{Create: text.Good, Change: text.Warning, Delete: text.Bad}

// Render is the plan for people. What stays as it is, is only counted.
func Render(p Plan, style text.Style) string {
	var problems, objects, records strings.Builder
	writeProblems(&problems, p.Problems, style)
	for _, object := range p.Objects {
		writeObject(&objects, object, style)
	}
	for _, record := range p.Records {
		if record.Action != Unchanged {
			title := marks[record.Action] + " " + record.Type + " " + record.Name
			if records.Len() == 0 {
				records.WriteString("DNS records\n")
			}
			records.WriteString(style.Paint(tones[record.Action], title) + "\n")
			writeValues(&records, record.Before, record.After, style)
		}
	}
	sections := []string{problems.String(), objects.String(), records.String(), p.summary()}
	return strings.Join(slices.DeleteFunc(sections, func(section string) bool { return section == "" }), "\n")
}

func writeObject(b *strings.Builder, object Object, style text.Style) {
	if object.Action == Unchanged {
		return
	}
	title := marks[object.Action] + " " + Title(object.Kind, object.Namespace, object.Name)
	b.WriteString(style.Paint(tones[object.Action], title))
	if object.Note != "" {
		b.WriteString("  (" + object.Note + ")")
	}
	b.WriteString("\n")
	for _, field := range object.Fields {
		writeField(b, field, style)
	}
}

func writeProblems(b *strings.Builder, problems []Problem, style text.Style) {
	about := ""
	for _, problem := range problems {
		if problem.Object != about {
			about = problem.Object
			b.WriteString(style.Paint(text.Bad, "! "+about) + "\n")
		}
		message := problem.Message
		if problem.Field != "" {
			message = problem.Field + ": " + message
		}
		if problem.Reason != "" {
			message += " (" + problem.Reason + ")"
		}
		for _, line := range text.Wrap(text.Clean(message), style.Width-4) {
			b.WriteString("    " + line + "\n")
		}
	}
}

// writeField shows what a field was and becomes: on one line where it fits, else on lines of their own; of texts of
// several lines only those that differ.
func writeField(b *strings.Builder, field Field, style text.Style) {
	short := "    " + field.Path + ": " + orNone(field.Before) + " -> " + orNone(field.After)
	switch {
	case strings.Contains(field.Before, "\n") || strings.Contains(field.After, "\n"):
		b.WriteString("    " + field.Path + ":\n")
		for _, line := range lines(field.Before, field.After) {
			tone := text.Bad
			if line[0] == '+' {
				tone = text.Good
			}
			b.WriteString("      " + style.Paint(tone, line) + "\n")
		}
	case text.Columns(short) <= style.Width:
		b.WriteString(short + "\n")
	default:
		b.WriteString("    " + field.Path + ":\n")
		writeValues(b, field.Before, field.After, style)
	}
}

func writeValues(b *strings.Builder, before, after string, style text.Style) {
	for _, value := range []struct {
		mark, text string
		tone       text.Tone
	}{{"- ", before, text.Bad}, {"+ ", after, text.Good}} {
		for i, line := range text.Wrap(value.text, style.Width-8) {
			mark := value.mark
			if i > 0 {
				mark = "  "
			}
			b.WriteString("      " + style.Paint(value.tone, mark+line) + "\n")
		}
	}
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
