// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/xmppfed/xmppfed/internal/check"
)

// The elements of JUnit's report that test dashboards read.
type (
	suites struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []suite  `xml:"testsuite"`
	}
	suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testCase `xml:"testcase"`
	}
	testCase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Failure *message `xml:"failure,omitempty"`
		Skipped *message `xml:"skipped,omitempty"`
		Output  string   `xml:"system-out,omitempty"`
	}
	message struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit is the report as test dashboards read it: a domain from one vantage is a suite, and a check a case.
func JUnit(r Report) (string, error) {
	var all suites
	for _, section := range sections(r.Results) {
		s := suite{Name: section.title}
		for _, result := range section.results {
			name := fmt.Sprintf("%s %s %s", result.ID, check.Find(result.ID).Title, result.Subject)
			one := testCase{Name: strings.TrimSpace(name), Class: result.Domain}
			s.Tests++
			switch result.Mark {
			case check.Fail:
				s.Failures++
				one.Failure = &message{Message: result.Words, Text: result.Fix}
			case check.Skip:
				s.Skipped++
				one.Skipped = &message{Message: result.Words}
			default:
				one.Output = strings.TrimSpace(result.Words + "\n" + result.Fix)
			}
			s.Cases = append(s.Cases, one)
		}
		all.Suites = append(all.Suites, s)
	}
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing JUnit report: %w", err)
	}
	return xml.Header + string(data) + "\n", nil
}
