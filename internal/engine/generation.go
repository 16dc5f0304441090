// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
)

// KeyGeneration is the key of the Secret that holds the generation of the other keys.
const KeyGeneration = "generation"

// Generation returns a short stable hash of names and contents, 16 hex digits.
// The key [KeyGeneration] is left out, so that the result can be stored beside
// what it describes.
func Generation[V string | []byte](files map[string]V) string {
	h := sha256.New()
	field := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == KeyGeneration {
			continue
		}
		field(name)
		field(string(files[name]))
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}
