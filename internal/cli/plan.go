// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/cli/manifest"
	"github.com/xmppfed/xmppfed/internal/cli/plan"
	"github.com/xmppfed/xmppfed/internal/engine"
	"github.com/xmppfed/xmppfed/internal/engine/prosody"
)

// engines are the server softwares that this program can compute the objects of.
var engines = map[v1alpha1.EngineName]engine.Engine{v1alpha1.EngineProsody: prosody.Engine{}}

func newPlan(env *environment) *cobra.Command {
	var files []string
	var offline bool
	cmd := &cobra.Command{
		Use:   "plan -f FILE",
		Short: "Tell what applying manifests would create, change and delete",
		Long: "Tell what applying manifests would create, change and delete: the objects in them, the Kubernetes objects that\n" +
			"the operator makes of a Federation, and the DNS records that it publishes. Nothing is changed.\n\n" +
			"With a cluster, the API server judges the manifests by a dry run, and they are compared with what it has; a domain\n" +
			"that no DNSZone covers, that the namespace may not publish, or that another Federation has, is a problem as well.\n" +
			"With --offline the program judges them itself, and takes everything for new.",
		Example: "  kubectl xmppfed plan -f federation.yaml\n" +
			"  kubectl xmppfed plan --offline -f federation.yaml",
		Args: cobra.NoArgs,
	}
	format := addOutput(cmd, "text", "json")
	cmd.Flags().StringSliceVarP(&files, "filename", "f", nil, "manifests to plan: files, directories, or - for standard input")
	cmd.Flags().BoolVar(&offline, "offline", false, "use no cluster")
	if err := cmd.MarkFlagRequired("filename"); err != nil {
		panic(err) // only when there is no such flag
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		objects, err := env.read(files)
		if err != nil {
			return err
		}
		judge, err := env.judge(offline)
		if err != nil {
			return err
		}
		planned, err := planAll(cmd.Context(), judge, objects)
		if err != nil {
			return err
		}
		if format.value == "json" {
			err = printJSON(env.Out, planned)
		} else {
			fmt.Fprint(env.Out, plan.Render(planned, env.style()))
		}
		if err == nil && len(planned.Problems) > 0 {
			err = errFound
		}
		return err
	}
	return cmd
}

// read reads the manifests of files, directories and standard input.
func (e *environment) read(names []string) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, name := range names {
		if name == "-" {
			objects, err := manifest.Read(e.In, "standard input")
			if err != nil {
				return nil, err
			}
			all = append(all, objects...)
			continue
		}
		files, err := filesOf(name)
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %w", err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading manifests: %w", err)
			}
			objects, err := manifest.Read(bytes.NewReader(data), file)
			if err != nil {
				return nil, err
			}
			all = append(all, objects...)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("reading manifests: there is no object in them")
	}
	return all, nil
}

// ofKustomize are the files that tell kustomize what to do with the manifests beside them.
var ofKustomize = []string{"kustomization.yaml", "kustomization.yml"}

// filesOf are the manifests that kubectl would take for a name: the file itself, or those in the directory. It leaves out those of
// kustomize, which are no objects.
func filesOf(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		if slices.Contains(ofKustomize, entry.Name()) {
			continue
		}
		if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(entry.Name())) && !entry.IsDir() {
			files = append(files, filepath.Join(name, entry.Name()))
		}
	}
	return files, nil
}

// judgement is what an API server would make of an object.
type judgement struct {
	// before is the object as it is; nil when there is none.
	before *unstructured.Unstructured
	// after is the object as it would be.
	after *unstructured.Unstructured
	// refused is why the API server would not take it.
	refused []plan.Problem
	// note says what else to know.
	note string
}

// judge stands in for the API server and the operator.
type judge interface {
	// judge tells what applying an object would make of it. An error means that it could not find out.
	judge(ctx context.Context, object *unstructured.Unstructured) (judgement, error)
	// estate is what decides whose names are, apart from the manifests; or else why it is not known, for people.
	estate(ctx context.Context) (estate *plan.Estate, unknown string, err error)
}

func (e *environment) judge(offline bool) (judge, error) {
	if !offline {
		return e.dryRun()
	}
	schemas, err := manifest.NewSchemas()
	if err != nil {
		return nil, err
	}
	namespace, _, err := e.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		namespace = "default"
	}
	return offlineJudge{schemas: schemas, namespace: namespace}, nil
}

// planAll plans each object and what follows from it.
func planAll(ctx context.Context, judge judge, objects []*unstructured.Unstructured) (plan.Plan, error) {
	all := make([]judgement, len(objects))
	for i, object := range objects {
		judged, err := judge.judge(ctx, object)
		if err != nil {
			return plan.Plan{}, err
		}
		all[i] = judged
	}
	var estate *plan.Estate
	var unknown string
	if slices.ContainsFunc(objects, isFederation) {
		var err error
		if estate, unknown, err = judge.estate(ctx); err != nil {
			return plan.Plan{}, err
		}
		if err := settle(estate, all); err != nil {
			return plan.Plan{}, err
		}
	}
	var whole plan.Plan
	for i, judged := range all {
		if len(judged.refused) > 0 {
			whole.Add(plan.Plan{Problems: judged.refused})
			continue
		}
		if isFederation(objects[i]) && unknown != "" {
			judged.note = strings.TrimPrefix(judged.note+"; "+unknown, "; ")
		}
		whole.Add(plan.Manifest(judged.before, judged.after, judged.note))
		if !isFederation(objects[i]) {
			continue
		}
		follows, err := follow(judged, estate)
		if err != nil {
			return whole, err
		}
		whole.Add(follows)
	}
	return whole, nil
}

// settle puts what the manifests make into the estate.
func settle(estate *plan.Estate, all []judgement) error {
	if estate == nil {
		return nil
	}
	for i, judged := range all {
		if len(judged.refused) > 0 {
			continue
		}
		after := judged.after
		if judged.before == nil {
			plan.Coming(after, i)
		}
		switch after.GroupVersionKind() {
		case corev1.SchemeGroupVersion.WithKind("Namespace"):
			estate.Labels[after.GetName()] = after.GetLabels()
		case v1alpha1.GroupVersion.WithKind("DNSZone"):
			if err := put(&estate.Zones, after); err != nil {
				return err
			}
		case v1alpha1.GroupVersion.WithKind("Federation"):
			if err := put(&estate.Federations, after); err != nil {
				return err
			}
		}
	}
	return nil
}

// put replaces the object of the same name in a list, or appends it.
func put[T any, P interface {
	*T
	metav1.Object
}](list *[]T, object *unstructured.Unstructured) error {
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &typed); err != nil {
		return fmt.Errorf("reading %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	*list = append(slices.DeleteFunc(*list, func(other T) bool {
		return P(&other).GetNamespace() == object.GetNamespace() && P(&other).GetName() == object.GetName()
	}), typed)
	return nil
}

// follow plans what follows from a Federation: nothing, when it can't have its names. A nil estate decides nothing.
func follow(judged judgement, estate *plan.Estate) (plan.Plan, error) {
	before, err := federationOf(judged.before)
	if err != nil {
		return plan.Plan{}, err
	}
	after, err := federationOf(judged.after)
	if err != nil {
		return plan.Plan{}, err
	}
	if after != nil && len(after.Unreadable) > 0 {
		return plan.Plan{}, fmt.Errorf("reading Federation %s: %w", after.Name, after.Unreadable.Err())
	}
	if estate != nil {
		if problems := plan.Names(after, *estate); len(problems) > 0 {
			return plan.Plan{Problems: problems}, nil
		}
	}
	return plan.Follow(before, after, engines)
}

func isFederation(object *unstructured.Unstructured) bool {
	return object.GroupVersionKind() == v1alpha1.GroupVersion.WithKind("Federation")
}

func federationOf(object *unstructured.Unstructured) (*v1alpha1.Federation, error) {
	if object == nil {
		return nil, nil
	}
	fed := &v1alpha1.Federation{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, fed); err != nil {
		return nil, fmt.Errorf("reading Federation %s: %w", object.GetName(), err)
	}
	return fed, nil
}
