// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// output is the value of the flag --output: one of a verb's formats.
type output struct {
	value   string
	formats []string
}

// addOutput gives a verb the flag -o. The first of the formats is what it prints without.
func addOutput(cmd *cobra.Command, formats ...string) *output {
	o := &output{value: formats[0], formats: formats}
	cmd.Flags().VarP(o, "output", "o", "format: "+strings.Join(formats, ", "))
	complete := cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err) // only when registered twice
	}
	return o
}

func (o *output) String() string { return o.value }

// Type is what help calls the value.
func (o *output) Type() string { return "format" }

// Set takes one of the formats.
func (o *output) Set(value string) error {
	if !slices.Contains(o.formats, value) {
		return fmt.Errorf("must be one of %s", strings.Join(o.formats, ", "))
	}
	o.value = value
	return nil
}

// printJSON writes a value as JSON for people and programs.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// printYAML writes a value as YAML, with the names that its JSON form has.
func printYAML(w io.Writer, value any) error {
	data, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	if _, err = w.Write(data); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	return nil
}

// hideUnless hides flags that are not in shown.
func hideUnless(shown map[string]bool) func(*pflag.Flag) {
	return func(flag *pflag.Flag) { flag.Hidden = !shown[flag.Name] }
}
