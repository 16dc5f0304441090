// SPDX-License-Identifier: Apache-2.0

//go:build integration

package throughput

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestPage_ShowsItsRawData(t *testing.T) {
	const directory = "../../../docs/benchmarks/"
	text, err := os.ReadFile(directory + "throughput-results.json")
	if err != nil {
		t.Fatal(err)
	}
	var samples []sample
	if err := json.Unmarshal(text, &samples); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(directory + "throughput.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := table(samples, nil); !strings.Contains(string(page), want) {
		t.Errorf("docs/benchmarks/throughput.md lacks the table of throughput-results.json, which is\n%s", want)
	}
}
