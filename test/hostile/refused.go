// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"
)

// thief is a domain of the attacker, who has a certificate for it that the server trusts.
const thief = "thief.example"

// Refused returns the attacks that have to fail: on who may speak for whom, on the policies of partners, and on the parser. What they
// forge must not reach the bystander. Until ctx is done there is a server of the attackers that calls every key of dialback valid,
// and they have the DNS lead to it.
func Refused(ctx context.Context, target Target) ([]Group, error) {
	if err := takeOver(ctx, target); err != nil {
		return nil, err
	}
	return []Group{
		{"before authentication", unproven()},
		{"certificates", certificates(target)},
		{"names of others", spoofing()},
		{"names on a stream that stands", piggyback(target)},
		{"policies of others", policies()},
		{"the parser", parser()},
	}, nil
}

// Group are attacks on the same thing.
type Group struct {
	Name    string
	Attacks []Attack
}

// trick makes an attack that takes no time.
func trick(name string, do func(ctx context.Context, target Target) (string, error)) Attack {
	return Attack{Name: name, Limit: 30 * time.Second, Do: do}
}

// forge sends a message in the name of from to the bystander on a stream that has proven nothing, and returns what the server says.
// It may ignore the message.
func (s *stream) forge(target Target, from, about string) (string, error) {
	if err := s.send("%s", forged(target, from, about)); err != nil {
		return refused(err)
	}
	_, err := s.expectWithin(time.Second, nothing)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return (&refusal{answer: s.unread, end: errors.New("nothing was said")}).Error(), nil
	}
	return refused(err)
}

// forged is a message that says about whom it lies, in the name of from, or of nobody if that is empty.
func forged(target Target, from, about string) string {
	if from != "" {
		from = " from='" + from + "'"
	}
	return fmt.Sprintf("<message type='chat'%s to='%s@%s'><body>forged %s.</body></message>",
		from, target.Bystander.Name, target.Domain, about)
}

// unproven are attacks by those who have proven nothing.
func unproven() []Attack {
	const spoken = "a@" + healthyPartner
	plain := attempt{from: healthyPartner, plain: true}
	return []Attack{
		onStream("plaintext before authentication", plain, func(_ context.Context, target Target, s *stream) (string, error) {
			return s.forge(target, spoken, "in plaintext")
		}),
		onStream("TLS without authentication", attempt{from: healthyPartner},
			func(_ context.Context, target Target, s *stream) (string, error) {
				return s.forge(target, spoken, "without authentication")
			}),
		onStream("a message smuggled in behind STARTTLS", plain, func(ctx context.Context, target Target, s *stream) (string, error) {
			err := s.exchange("<starttls "+nsTLS+"/>"+forged(target, spoken, "behind STARTTLS"), "<proceed ")
			if err == nil {
				err = s.encrypt(ctx, "", nil)
			}
			if err == nil {
				err = s.exchange(serverHeader(healthyPartner, target.Domain), "</stream:features>")
			}
			if err == nil {
				return s.forge(target, spoken, "after STARTTLS")
			}
			return refused(err)
		}),
		onStream("SASL EXTERNAL in plaintext", plain, func(_ context.Context, target Target, s *stream) (string, error) {
			return refused(s.external(healthyPartner, serverHeader(healthyPartner, target.Domain)))
		}),
		byClient("a client's message before authentication", func(ctx context.Context, target Target, s *stream) (string, error) {
			if err := s.starttls(ctx, clientHeader(target.Domain), nil); err != nil {
				return refused(err)
			}
			return s.forge(target, "", "by a client without authentication")
		}),
		byClient("a client's password in plaintext", func(_ context.Context, target Target, s *stream) (string, error) {
			if err := s.exchange(clientHeader(target.Domain), "</stream:features>"); err != nil {
				return refused(err)
			}
			secret := base64.StdEncoding.EncodeToString([]byte("\x00" + target.Attacker.Name + "\x00" + target.Attacker.Password))
			return refused(s.exchange("<auth "+nsSASL+" mechanism='PLAIN'>"+secret+"</auth>", "<success"))
		}),
	}
}

// onStream is a trick on a stream that the server may refuse to begin with.
func onStream(name string, a attempt, do func(ctx context.Context, target Target, s *stream) (string, error)) Attack {
	return trick(name, func(ctx context.Context, target Target) (string, error) {
		s, err := a.open(ctx, target)
		if err != nil {
			return refused(err)
		}
		defer s.Close()
		return do(ctx, target, s)
	})
}

// byClient is a trick on a client's connection.
func byClient(name string, do func(ctx context.Context, target Target, s *stream) (string, error)) Attack {
	return trick(name, func(ctx context.Context, target Target) (string, error) {
		s, err := dial(ctx, target.C2S)
		if err != nil {
			return "", err
		}
		defer s.Close()
		return do(ctx, target, s)
	})
}

// certificates are attacks with certificates that don't prove the name, by STARTTLS and, where it is offered, by direct TLS.
func certificates(target Target) []Attack {
	const below = "a.b." + thief
	cases := []struct {
		name      string
		attempt   attempt
		issue     func(names ...string) tls.Certificate
		certified []string
	}{
		{"no certificate", attempt{from: healthyPartner, external: healthyPartner}, nil, nil},
		{"a self-signed certificate", attempt{from: healthyPartner, external: healthyPartner}, selfSigned, []string{healthyPartner}},
		{"an expired certificate", attempt{from: healthyPartner, external: healthyPartner}, target.Expired, []string{healthyPartner}},
		{"another's certificate", attempt{from: healthyPartner, external: healthyPartner}, target.Issue, []string{thief}},
		{"a certificate of a name that begins alike", attempt{from: healthyPartner, external: healthyPartner}, target.Issue,
			[]string{healthyPartner + "." + thief}},
		{"a wildcard for more than one label", attempt{from: below, external: below}, target.Issue, []string{"*." + thief}},
		{"a wildcard for the domain itself", attempt{from: thief, external: thief}, target.Issue, []string{"*." + thief}},
		{"a certificate for half a label", attempt{from: "xthief.example", external: "xthief.example"}, target.Issue,
			[]string{"*thief.example", thief}},
		{"another's name as authorization identity", attempt{from: thief, external: healthyPartner}, target.Issue, []string{thief}},
		{"two names as authorization identity", attempt{from: thief, external: thief + "\x00" + healthyPartner}, target.Issue,
			[]string{thief}},
		{"another's name in the header, none to SASL", attempt{from: healthyPartner, external: "="}, target.Issue, []string{thief}},
		{"the server's own name", attempt{from: target.Domain, external: target.Domain}, target.Issue, []string{thief}},
		{"the room service's own name", attempt{from: target.Rooms, external: target.Rooms}, target.Issue, []string{thief}},
	}
	var attacks []Attack
	for _, direct := range []bool{false, true} {
		if direct && target.S2STLS == "" {
			break
		}
		for _, c := range cases {
			name := c.name
			if direct {
				name += ", direct TLS"
			}
			attacks = append(attacks, trick(name, func(ctx context.Context, target Target) (string, error) {
				a := c.attempt
				a.direct = direct
				if c.issue != nil {
					certificate := c.issue(c.certified...)
					a.certificate = &certificate
				}
				s, err := a.open(ctx, target)
				if err != nil {
					return refused(err)
				}
				defer s.Close()
				_, _ = s.forge(target, "a@"+a.from, "with "+name)
				return "", fmt.Errorf("the server took %s", name)
			}))
		}
	}
	return attacks
}

// selfSigned returns a certificate for names that no authority has issued.
func selfSigned(names ...string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
