package local

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// newUUID is a random UUID (version 4) as 16 bytes.
func newUUID() []byte {
	u := make([]byte, 16)
	rand.Read(u) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u
}

// newID is a random UUID as text.
func newID() string {
	u := newUUID()
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// littleEndianIP is an IPv4 address as master_info.ip has it.
func littleEndianIP(ip string) uint32 {
	v4 := net.ParseIP(ip).To4()
	if v4 == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(v4)
}

// unix is a time in seconds, as in messages.
func unix(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func unixNow() float64 { return unix(time.Now()) }
