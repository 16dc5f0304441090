// SPDX-License-Identifier: Apache-2.0

//go:build integration

package prosodytest

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// LoginSCRAM authenticates a client with SCRAM-SHA-1 (RFC 5802), without channel
// binding, and closes the stream.
func LoginSCRAM(port int32, domain, localpart, password string) error {
	s, err := openClient(port, domain)
	if err != nil {
		return err
	}
	defer s.Close()
	encode := base64.StdEncoding.EncodeToString
	first := "n=" + localpart + ",r=nonce"
	err = s.Send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>" + encode([]byte("n,,"+first)) + "</auth>")
	if err != nil {
		return err
	}
	text, err := s.Expect("</challenge>", "</failure>")
	if err != nil {
		return err
	}
	_, text, _ = strings.Cut(strings.TrimSuffix(text, "</challenge>"), ">")
	challenge, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("reading challenge %q: %w", text, err)
	}
	final, err := respond(first, string(challenge), password)
	if err != nil {
		return err
	}
	return s.exchange("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"+encode([]byte(final))+"</response>", "<success")
}

// respond is the client's final message: proof that it knows the password.
func respond(first, challenge, password string) (string, error) {
	var nonce string
	var salt []byte
	var iterations int
	var err error
	for _, field := range strings.Split(challenge, ",") {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "r":
			nonce = value
		case "s":
			salt, err = base64.StdEncoding.DecodeString(value)
		case "i":
			iterations, err = strconv.Atoi(value)
		}
		if err != nil {
			return "", fmt.Errorf("reading challenge %q: %w", challenge, err)
		}
	}
	salted, err := pbkdf2.Key(sha1.New, password, salt, iterations, sha1.Size)
	if err != nil {
		return "", err
	}
	sign := func(key []byte, text string) []byte {
		mac := hmac.New(sha1.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	final := "c=biws,r=" + nonce
	proof := sign(salted, "Client Key")
	stored := sha1.Sum(proof)
	for i, b := range sign(stored[:], first+","+challenge+","+final) {
		proof[i] ^= b
	}
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}
