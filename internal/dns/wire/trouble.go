// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Trouble says in a few words, the same for the same cause, what is wrong with the connection to a server. It completes
// a sentence that begins with the server's name.
func Trouble(err error) string {
	var resolution *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &resolution):
		return "is a name that does not resolve"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses connections"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "can't be reached: there is no route"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "closes the connection without an answer"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "does not answer in time"
	default:
		return "can't be talked to"
	}
}
