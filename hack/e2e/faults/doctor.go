// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/xmppfed/xmppfed/hack/e2e/lab"
	"github.com/xmppfed/xmppfed/internal/check"
)

// Outside is the host of the lab where outsiders sit.
const Outside = "internet"

// Doctor is the program kubectl-xmppfed.
type Doctor struct {
	// Program is its path.
	Program string
}

// Examine runs it outside, where nobody's Kubernetes is. Arguments are those of the verb doctor.
func (d Doctor) Examine(ctx context.Context, args ...string) ([]check.Result, error) {
	command := append([]string{"exec", Outside, "--", d.Program, "doctor", "--ca", lab.CA, "-o", "json"}, args...)
	cmd, err := lab.Command(ctx, command...)
	if err != nil {
		return nil, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1 is for faults found
		return nil, fmt.Errorf("running doctor %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	var report struct {
		Results []check.Result `json:"results"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		return nil, fmt.Errorf("reading what doctor %s says: %w: %s", strings.Join(args, " "), err, stdout.Bytes())
	}
	return report.Results, nil
}

// Blamed are the results that point at something wrong: those that fail or, if none does, warnings that were not
// there when all was well.
func Blamed(results, healthy []check.Result) []check.Result {
	var failed, warned []check.Result
	for _, r := range results {
		known := slices.ContainsFunc(healthy, func(h check.Result) bool {
			return h.Mark == check.Warn && h.ID == r.ID && h.Domain == r.Domain && h.Subject == r.Subject
		})
		switch {
		case r.Mark == check.Fail:
			failed = append(failed, r)
		case r.Mark == check.Warn && !known:
			warned = append(warned, r)
		}
	}
	if len(failed) > 0 {
		return failed
	}
	return warned
}

// IDs of results, each once, in their order.
func IDs(results []check.Result) []check.ID {
	var ids []check.ID
	for _, r := range results {
		if !slices.Contains(ids, r.ID) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}
