// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/xmppfed/xmppfed/api/v1alpha1"
	"github.com/xmppfed/xmppfed/internal/engine"
)

// ConfigMap holds the server's configuration files. Its annotations say what is served by it, and which generation it is.
func ConfigMap(fed *v1alpha1.Federation, config engine.Config) *corev1.ConfigMap {
	meta := objectMeta(fed, ConfigName(fed))
	var users, rooms []string
	for _, host := range Hosts(fed) {
		if host.GroupChat {
			rooms = append(rooms, host.Domain)
		} else {
			users = append(users, host.Domain)
		}
	}
	meta.Annotations = map[string]string{AnnotationDomains: strings.Join(users, ","), AnnotationGeneration: config.Generation}
	if len(rooms) > 0 {
		meta.Annotations[AnnotationGroupChats] = strings.Join(rooms, ",")
	}
	return &corev1.ConfigMap{ObjectMeta: meta, Data: config.Files}
}

// Secret holds what of the server's configuration is secret: the key pair, the accounts, the dialback secret.
func Secret(fed *v1alpha1.Federation, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: objectMeta(fed, ConfigName(fed)), Data: data}
}

// CASecret holds the operator's own certificate authority for the Federation.
func CASecret(fed *v1alpha1.Federation, certPEM, keyPEM []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: objectMeta(fed, CASecretName(fed)),
		Type:       corev1.SecretTypeTLS,
		Data:       map[string][]byte{corev1.TLSCertKey: certPEM, corev1.TLSPrivateKeyKey: keyPEM},
	}
}
