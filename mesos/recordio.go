package mesos

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// errRecord marks bytes that are not RecordIO.
var errRecord = errors.New("not a RecordIO stream")

// maxLengthDigits bounds the length line of a record.
const maxLengthDigits = 20

// recordReader cuts a stream into records: "<decimal length>\n<record>", nothing between
// two records. After an error every later read fails with the same error.
type recordReader struct {
	in  *bufio.Reader
	max int // the largest record, in bytes; checked before anything is allocated
	err error
}

func newRecordReader(r io.Reader, maxRecord int) *recordReader {
	return &recordReader{in: bufio.NewReader(r), max: maxRecord}
}

// next gives the next record; the caller owns it. io.EOF is an end between two records,
// io.ErrUnexpectedEOF one inside a record.
func (r *recordReader) next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	record, err := r.read()
	if err != nil {
		r.err = err
	}
	return record, err
}

func (r *recordReader) read() ([]byte, error) {
	n, err := r.length()
	if err != nil {
		return nil, err
	}
	record := make([]byte, n)
	if _, err := io.ReadFull(r.in, record); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return record, nil
}

func (r *recordReader) length() (int, error) {
	n := 0
	for digits := 0; ; digits++ {
		c, err := r.in.ReadByte()
		switch {
		case err != nil && digits > 0 && errors.Is(err, io.EOF):
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		case c == '\n' && digits > 0:
			return n, nil
		case c < '0' || c > '9' || digits == maxLengthDigits:
			return 0, fmt.Errorf("%w: byte %q in a record's length", errRecord, c)
		}
		n = n*10 + int(c-'0')
		if n > r.max {
			return 0, fmt.Errorf("%w: a record of more than %d bytes", errRecord, r.max)
		}
	}
}
