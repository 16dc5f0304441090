// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// provisionerName is the provisioner that a StorageClass of the lab names.
const provisionerName = "lab.xmppfed.io/host-path"

const provisionedBy = "pv.kubernetes.io/provisioned-by"

// provisioner backs every claim of the lab's StorageClass by a directory of the node.
type provisioner struct {
	client  kubernetes.Interface
	dir     string
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	classes storagelisters.StorageClassLister
	wake    chan struct{}
}

func newProvisioner(client kubernetes.Interface, factory informers.SharedInformerFactory, dir string) *provisioner {
	p := &provisioner{
		client:  client,
		dir:     dir,
		claims:  factory.Core().V1().PersistentVolumeClaims().Lister(),
		volumes: factory.Core().V1().PersistentVolumes().Lister(),
		classes: factory.Storage().V1().StorageClasses().Lister(),
		wake:    make(chan struct{}, 1),
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { p.kick() },
		UpdateFunc: func(any, any) { p.kick() },
		DeleteFunc: func(any) { p.kick() },
	}
	_, _ = factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(handler)
	_, _ = factory.Core().V1().PersistentVolumes().Informer().AddEventHandler(handler)
	_, _ = factory.Storage().V1().StorageClasses().Informer().AddEventHandler(handler)
	return p
}

func (p *provisioner) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run looks at all claims and volumes after each change, and every retry after a failure.
func (p *provisioner) run(ctx context.Context, retry time.Duration) {
	for {
		var again <-chan time.Time
		if err := errors.Join(p.provision(ctx), p.reclaim(ctx)); err != nil {
			klog.ErrorS(err, "looking after volumes")
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-again:
		}
	}
}

func (p *provisioner) provision(ctx context.Context) error {
	claims, err := p.claims.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("listing claims: %w", err)
	}
	var errs []error
	for _, claim := range claims {
		if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || !p.mine(claim) {
			continue
		}
		path := filepath.Join(p.dir, claim.Namespace+"_"+claim.Name+"_"+string(claim.UID))
		if err := makeOpenDir(path); err != nil {
			errs = append(errs, err)
			continue
		}
		_, err := p.client.CoreV1().PersistentVolumes().Create(ctx, volume(claim, path), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			errs = append(errs, fmt.Errorf("creating a volume for %s/%s: %w", claim.Namespace, claim.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (p *provisioner) mine(claim *v1.PersistentVolumeClaim) bool {
	if claim.Spec.StorageClassName == nil {
		return false
	}
	class, err := p.classes.Get(*claim.Spec.StorageClassName)
	return err == nil && class.Provisioner == provisionerName
}

// makeOpenDir makes a directory that any user may write: kubelet applies fsGroup to no hostPath volume,
// and the pods run under users that the node knows nothing about.
func makeOpenDir(path string) error {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return fmt.Errorf("making a volume: %w", err)
	}
	if err := os.Chmod(path, 0o777); err != nil { //nolint:gosec // meant to be open, and the umask took bits away
		return fmt.Errorf("opening a volume: %w", err)
	}
	return nil
}

func volume(claim *v1.PersistentVolumeClaim, path string) *v1.PersistentVolume {
	directory := v1.HostPathDirectory
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{provisionedBy: provisionerName},
		},
		Spec: v1.PersistentVolumeSpec{
			AccessModes: claim.Spec.AccessModes,
			Capacity:    v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			ClaimRef: &v1.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeReclaimPolicy: v1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: path, Type: &directory}},
			StorageClassName:              *claim.Spec.StorageClassName,
			VolumeMode:                    claim.Spec.VolumeMode,
		},
	}
}

// reclaim removes the volumes whose claims are gone.
func (p *provisioner) reclaim(ctx context.Context) error {
	volumes, err := p.volumes.List(labels.Everything())
	if err != nil {
		return fmt.Errorf("listing volumes: %w", err)
	}
	var errs []error
	for _, volume := range volumes {
		released := volume.Status.Phase == v1.VolumeReleased && volume.DeletionTimestamp == nil
		if volume.Annotations[provisionedBy] != provisionerName || !released {
			continue
		}
		if err := os.RemoveAll(volume.Spec.HostPath.Path); err != nil {
			errs = append(errs, fmt.Errorf("removing a volume: %w", err))
			continue
		}
		err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("deleting volume %s: %w", volume.Name, err))
		}
	}
	return errors.Join(errs...)
}
