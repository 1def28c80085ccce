package local

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/google/uuid"
)

// newUUID is a random UUID as 16 bytes.
func newUUID() []byte {
	u := uuid.New()
	return u[:]
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
