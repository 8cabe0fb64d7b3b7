package auth

import (
	"crypto/rand"
	"strings"
)

// NewKey returns a random API key: 16 lower-case letters and digits, 80 bits.
func NewKey() string { return strings.ToLower(rand.Text())[:16] }

// NewSecret returns a random secret: 64 lower-case letters and digits, 320
// bits.
func NewSecret() string { return strings.ToLower(rand.Text() + rand.Text() + rand.Text())[:64] }
