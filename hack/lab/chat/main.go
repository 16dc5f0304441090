// SPDX-License-Identifier: Apache-2.0

// Command chat is a small XMPP client for tests and demos. It logs in over verified TLS, takes commands on
// standard input, one per line, and prints every event as one JSON object per line.
//
//	subscribe JID      ask for JID's presence
//	approve JID        let JID see ours
//	remove JID         take JID off the contact list, which ends the subscriptions
//	presence [SHOW]    available, or with SHOW: away, chat, dnd, xa, unavailable
//	message JID TEXT   send a chat message
//	join ROOM/NICK     enter a chat room
//	open ROOM          accept the default configuration of a room that this user just created
//	say ROOM TEXT      speak in it
//	roster             print the contact list
//	quit               log out; so does the end of the input
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// loginTimeout is for everything from the TCP connection to the bound resource.
const loginTimeout = 20 * time.Second

// reconnectPause is between two attempts to connect.
const reconnectPause = 200 * time.Millisecond

// options of the command line.
type options struct {
	jid, password, connect, ca, serverName string
	directTLS                              bool
	timeout                                time.Duration
}

func main() {
	o := options{}
	flag.StringVar(&o.jid, "jid", "", "who logs in: user@domain, with /resource if it matters")
	flag.StringVar(&o.password, "password", "", "password")
	flag.StringVar(&o.connect, "connect", "", "host:port of the server; default: what the domain's service records say")
	flag.BoolVar(&o.directTLS, "direct-tls", false, "begin with TLS (XEP-0368) instead of STARTTLS")
	flag.StringVar(&o.ca, "ca", "", "PEM file of the CAs to trust; default: those of the system")
	flag.StringVar(&o.serverName, "servername", "", "name the server's certificate must have; default: the domain")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "log out after this time, whatever happens")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), o.timeout)
	defer cancel()
	if err := run(ctx, o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
		os.Exit(1)
	}
}

// printer writes events; reader and writer of the stream both have some.
type printer struct {
	mu  sync.Mutex
	out *json.Encoder
}

func (p *printer) print(e event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.out.Encode(e) // nobody listens any more: the end of the input will tell
}

// run logs in and serves until quit, the end of the input, the end of the stream, or the deadline.
func run(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	session, err := login(ctx, o)
	if err != nil {
		return fmt.Errorf("logging in as %s: %w", o.jid, err)
	}
	events := &printer{out: json.NewEncoder(out)}
	events.print(event{Event: "online", JID: session.LocalAddr().String(), Server: session.Conn().RemoteAddr().String()})

	streamEnd := make(chan error, 1)
	go func() { streamEnd <- session.Serve(handler{events}) }()
	inputEnd := make(chan error, 1)
	go func() { inputEnd <- readCommands(ctx, session, in, events) }()

	select {
	case err = <-streamEnd:
		err = fmt.Errorf("stream ended by the server: %w", errors.Join(err, io.EOF))
		events.print(event{Event: "offline", Text: err.Error()})
		return err
	case err = <-inputEnd:
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = session.SetCloseDeadline(time.Now().Add(2 * time.Second))
	_ = session.Close()
	_ = session.Conn().Close()
	events.print(event{Event: "offline"})
	return err
}

func login(ctx context.Context, o options) (*xmpp.Session, error) {
	who, err := jid.Parse(o.jid)
	if err != nil {
		return nil, fmt.Errorf("reading the JID: %w", err)
	}
	config, err := tlsConfig(o, who)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	address := o.connect
	if address == "" {
		if address, err = find(ctx, who.Domain().String(), o.directTLS); err != nil {
			return nil, fmt.Errorf("finding the server: %w", err)
		}
	}
	conn, err := connect(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	if o.directTLS { // of which the session knows by the type
		config.NextProtos = []string{"xmpp-client"}
		conn = tls.Client(conn, config)
	}
	session, err := xmpp.NewClientSession(ctx, who, conn,
		xmpp.StartTLS(config),
		xmpp.SASL("", o.password, sasl.ScramSha256Plus, sasl.ScramSha256, sasl.ScramSha1Plus, sasl.ScramSha1, sasl.Plain),
		xmpp.BindResource(),
	)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("opening the stream: %w", err)
	}
	return session, nil
}

// find the server of a domain by its service records (RFC 6120 section 3.2.1, XEP-0368): the best of them, without recourse
// to others.
func find(ctx context.Context, domain string, directTLS bool) (string, error) {
	service := "xmpp-client"
	if directTLS {
		service = "xmpps-client"
	}
	_, found, err := net.DefaultResolver.LookupSRV(ctx, service, "tcp", domain)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(found[0].Target, strconv.Itoa(int(found[0].Port))), nil
}

// connect tries until it succeeds or ctx ends: a cluster address leads nowhere until kube-proxy has heard of the pod behind
// it, which may be a while after the pod is ready.
func connect(ctx context.Context, address string) (net.Conn, error) {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(reconnectPause):
		}
	}
}

func tlsConfig(o options, who jid.JID) (*tls.Config, error) {
	config := &tls.Config{ServerName: who.Domain().String(), MinVersion: tls.VersionTLS12}
	if o.serverName != "" {
		config.ServerName = o.serverName
	}
	if o.ca == "" {
		return config, nil
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, fmt.Errorf("reading the CAs: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the CAs: no certificate in %s", o.ca)
	}
	return config, nil
}

// readCommands runs commands until quit or the end of the input. A command that fails is an event, not the end.
func readCommands(ctx context.Context, session *xmpp.Session, in io.Reader, events *printer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		err := command(ctx, session, lines.Text(), events)
		if errors.Is(err, errQuit) {
			return nil
		}
		if err != nil {
			events.print(event{Event: "error", Text: err.Error()})
		}
	}
	return lines.Err()
}
