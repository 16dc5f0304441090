// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"sigs.k8s.io/yaml"
)

// healthScripts are the scripts for Argo CD as the guide has them, by kind.
func healthScripts(t *testing.T) map[string]string {
	t.Helper()
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(readText(t, "docs/guides/gitops.md"))
	if block == nil {
		t.Fatal("the guide has no ConfigMap for Argo CD")
	}
	var config struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.UnmarshalStrict([]byte(block[1]), &config); err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for _, kind := range []string{"Federation", "DNSZone"} {
		scripts[kind] = config.Data["resource.customizations.health.xmppfed.io_"+kind]
	}
	return scripts
}

// health runs a script as Argo CD does: with the object as obj, and without the libraries that reach beyond it.
func health(t *testing.T, script string, object map[string]any) (status, message string) {
	t.Helper()
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable} {
		state.Push(state.NewFunction(open))
		state.Call(0, 0)
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		t.Fatal(err)
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script returns %s", state.Get(-1))
	}
	return result.RawGetString("status").String(), result.RawGetString("message").String()
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, item := range v {
			table.RawSetString(key, toLua(state, item))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, item := range v {
			table.Append(toLua(state, item))
		}
		return table
	case string:
		return lua.LString(v)
	case int:
		return lua.LNumber(v)
	default:
		panic(fmt.Sprintf("a status has no %T", value))
	}
}

// said is a condition of an object.
func said(name, status, reason string) any {
	return map[string]any{"type": name, "status": status, "reason": reason, "message": "message of " + name}
}

func TestArgoCDShowsWhatTheConditionsSay(t *testing.T) {
	ready, notReady := said("Ready", "True", "Ready"), said("Ready", "False", "RollingOut")
	available, kept := said("Available", "True", "Reachable"), said("Available", "False", "Unreachable")
	const fresh = "the operator has not looked at this spec yet"
	for name, test := range map[string]struct {
		kinds           []string
		observed        int
		conditions      []any
		status, message string
	}{
		"nothing is said yet": {[]string{"Federation", "DNSZone"}, 0, nil, "Progressing", fresh},
		"of the spec before":  {[]string{"Federation", "DNSZone"}, 1, []any{ready}, "Progressing", fresh},
		"all is well":         {[]string{"DNSZone"}, 2, []any{ready}, "Healthy", "message of Ready"},
		"it is on its way": {[]string{"Federation", "DNSZone"}, 2, []any{notReady, said("Reconciling", "True", "RollingOut")},
			"Progressing", "message of Ready"},
		"somebody has to act": {[]string{"DNSZone"}, 2, []any{notReady, said("Stalled", "True", "TSIGKeyUnknown")},
			"Degraded", "message of Stalled"},
		"somebody has to act, and partners get through": {[]string{"Federation"}, 2,
			[]any{available, notReady, said("Stalled", "True", "SecretNotFound")}, "Degraded", "message of Ready"},
		"everything is well":       {[]string{"Federation"}, 2, []any{available, ready}, "Healthy", "message of Ready"},
		"partners are kept out":    {[]string{"Federation"}, 2, []any{kept, notReady}, "Degraded", "message of Available"},
		"nothing is published yet": {[]string{"Federation"}, 2, []any{said("Available", "False", "NotPublished"), notReady}, "Progressing", "message of Ready"},
		"nothing is known of it":   {[]string{"Federation"}, 2, []any{said("Available", "Unknown", "NotChecked"), notReady}, "Progressing", "message of Ready"},
		"it is suspended": {[]string{"Federation"}, 1, []any{said("Suspended", "True", "Suspended"), ready},
			"Suspended", "message of Suspended"},
	} {
		for _, kind := range test.kinds {
			t.Run(kind+": "+name, func(t *testing.T) {
				object := map[string]any{"metadata": map[string]any{"generation": 2}}
				if test.conditions != nil {
					object["status"] = map[string]any{"observedGeneration": test.observed, "conditions": test.conditions}
				}
				status, message := health(t, healthScripts(t)[kind], object)
				if status != test.status || message != test.message {
					t.Errorf("got %s: %s\nwant %s: %s", status, message, test.status, test.message)
				}
			})
		}
	}
}
