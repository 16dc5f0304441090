// SPDX-License-Identifier: Apache-2.0

package prosody

// What others can make a server keep or begin. The numbers fit the default memory limit of 256 MiB: an idle server takes
// 20 MiB, a stream that stands 65 KiB, one that is being opened 26 KiB, one that waits for its turn 5 KiB, a connection that
// has proven nothing 35 KiB (measured; docs/guides/limits.md). A crowd beyond the bounds is served more slowly, and refused
// only where it would not end.
const (
	// maxConnecting is the number of outgoing streams that may be between their first DNS query and their first stanza.
	// Servers that drop packets hold such a place for 20 seconds, silent ones for 30.
	maxConnecting = 512
	// maxConnectingPerGroup is the part of these that one group of domains (files/xmppfed_group.lib.lua) may hold.
	maxConnectingPerGroup = 64
	// maxVerifying is the part that strangers may hold, whose names are to be verified by dialback.
	maxVerifying = 128
	// maxWaiting is the number of streams that may wait for such a place, for at most waitSeconds.
	maxWaiting         = 2048
	maxWaitingPerGroup = 1024
	waitSeconds        = 60
	// connectsPerSecond and verifiesPerSecond pace the beginning of streams for users and for names to verify. A TLS
	// handshake takes 3 to 6 ms of the only thread.
	connectsPerSecond = 60
	verifiesPerSecond = 25
	// maxStreams is the number of all outgoing streams, maxStreamsPerGroup the part of one group. A group in which there
	// are maxVerifyStreamsPerGroup already gets no more names verified that need a stream of their own.
	maxStreams               = 4096
	maxStreamsPerGroup       = 2048
	maxVerifyStreamsPerGroup = 128
	// sendQueue is the number of stanzas that may wait for one stream; Prosody 13 allocates 16 bytes for each in advance.
	sendQueue = 128
	// maxQueuedPerStream and maxQueued bound the memory of these stanzas, by stream and in all.
	maxQueuedPerStream = 1 << 20
	maxQueued          = 16 << 20
	// maxPendingNames is the number of names that one incoming stream may have verified at a time, maxNames the number it
	// may carry. Prosody itself asks for one name per stream; hosting services put dozens into one.
	maxPendingNames = 16
	maxNames        = 256
	// maxRefusedNames is the number of names that one stream is refused for the reasons above until it is closed.
	maxRefusedNames = 64
	// maxUnauthenticated is the number of connections that may be open without having proven anything, of servers and of
	// clients each. All 300 partners of a large Federation fit in, coming at once.
	maxUnauthenticated = 1024
	// maxUnprovenBytes is the memory, as it is estimated, of what a connection may send before it has proven anything, and
	// maxUnprovenInAll that of what is being read from all of these.
	maxUnprovenBytes = 128 << 10
	maxUnprovenInAll = 8 << 20
	// maxStanza is the estimated memory of one stanza; a list of 3000 rooms takes 2.7 MiB. maxUnfinished is that of all that
	// are not complete yet.
	maxStanza     = 4 << 20
	maxUnfinished = 12 << 20
	// maxParserNames is what a parser of XML may keep of names, about, before it is replaced.
	maxParserNames = 32 << 10
	// maxIncomingPerGroup is the number of incoming streams of a group; of more, the oldest is closed.
	maxIncomingPerGroup = 256
	// maxUnsent is what may be unsent on one connection, in bytes, beside what the kernel has taken: two of the largest
	// stanzas. maxUnsentPerGroup and maxUnsentInAll are the same for a group of domains and for all.
	maxUnsent         = 1 << 20
	maxUnsentPerGroup = 8 << 20
	maxUnsentInAll    = 32 << 20
	// maxUnacknowledged is what another server may not have acknowledged on one stream (XEP-0198), in bytes of memory: the
	// 500 stanzas that Prosody keeps of each, if these are as large as presence. It counts for the group and for all
	// together with what is unsent.
	maxUnacknowledged = 4 << 20
	// maxSendBuffer is where Prosody 13 itself cuts a connection off. The answer for the operator's status needs 1 MiB.
	maxSendBuffer = 4 << 20
	// strangerRate and listedRate are the bytes that are read in a second from a stream of those who are not listed as
	// peers, and of those who are: about 110 and 370 short messages.
	strangerRate = 30_000
	listedRate   = 100_000
	// streamsAtFullRate is how many busy streams of a group of domains have their whole rate; more share it. strangersRate
	// is what all who are not listed share. leastRate is what every stream has, in spite of both.
	streamsAtFullRate = 4
	strangersRate     = 400_000
	leastRate         = 500
	// maxStoredMessages and maxStoredBytes bound what a client may leave unacknowledged, for each user. The bytes bound the
	// offline messages of a user, too, whose number Prosody bounds by 10000.
	maxStoredMessages = 5000
	maxStoredBytes    = 4 << 20
	// maxUnacked bounds the memory of what the clients of a user have not acknowledged, maxUnackedInAll that of all users. A
	// presence takes 5 KiB of it, and of a user with many contacts the newest 500 wait at a login.
	maxUnacked      = 4 << 20
	maxUnackedInAll = 16 << 20
	// maxSessions is the number of sessions of a user, maxSessionsAway that of those whose connection has broken and who can go
	// on with them for ten minutes.
	maxSessions     = 20
	maxSessionsAway = 10
	// maxPresence bounds the memory of one presence, of which a usual one takes 5 KiB.
	maxPresence = 64 << 10
	// maxHistory bounds the memory of a room's history, of 20 messages of about 4 KiB; maxHistoryInAll that of all rooms.
	maxHistory      = 1 << 20
	maxHistoryInAll = 16 << 20
	// Messages for users who are away are not stored any more when less than volumeReservePercent of the data volume, and
	// less than volumeReserve, in bytes or in files, is free: for rosters and for messages that were acknowledged before.
	volumeReservePercent = 10
	volumeReserve        = 100 << 20
	volumeReserveFiles   = 1000
	// maxGarbage is the memory that may wait for the next collection of garbage, beside what is in use.
	maxGarbage = 16 << 20
	// strangersMemoryPercent and usersMemoryPercent are the parts of the memory limit above which no streams are opened
	// any more, for names to verify and for our users.
	strangersMemoryPercent = 70
	usersMemoryPercent     = 85
)

// setting is a member of the table xmppfed_limits.
type setting struct {
	Name  string
	Value int
}

// settings are the limits as the Lua modules know them.
func settings() []setting {
	return []setting{
		{"connecting", maxConnecting},
		{"connecting_per_group", maxConnectingPerGroup},
		{"verifying", maxVerifying},
		{"waiting", maxWaiting},
		{"waiting_per_group", maxWaitingPerGroup},
		{"wait_seconds", waitSeconds},
		{"connects_per_second", connectsPerSecond},
		{"verifies_per_second", verifiesPerSecond},
		{"streams", maxStreams},
		{"streams_per_group", maxStreamsPerGroup},
		{"verify_streams_per_group", maxVerifyStreamsPerGroup},
		{"send_queue", sendQueue},
		{"queued_bytes_per_stream", maxQueuedPerStream},
		{"queued_bytes", maxQueued},
		{"pending_names", maxPendingNames},
		{"names", maxNames},
		{"refused_names", maxRefusedNames},
		{"unauthenticated", maxUnauthenticated},
		{"unproven_bytes", maxUnprovenBytes},
		{"unproven_bytes_in_all", maxUnprovenInAll},
		{"stanza_bytes", maxStanza},
		{"unfinished_bytes", maxUnfinished},
		{"names_bytes", maxParserNames},
		{"incoming_per_group", maxIncomingPerGroup},
		{"unsent_bytes", maxUnsent},
		{"unacknowledged_bytes", maxUnacknowledged},
		{"unsent_bytes_per_group", maxUnsentPerGroup},
		{"unsent_bytes_in_all", maxUnsentInAll},
		{"stranger_rate", strangerRate},
		{"listed_rate", listedRate},
		{"streams_at_full_rate", streamsAtFullRate},
		{"strangers_rate", strangersRate},
		{"least_rate", leastRate},
		{"stored_messages", maxStoredMessages},
		{"stored_bytes", maxStoredBytes},
		{"unacked_bytes", maxUnacked},
		{"unacked_bytes_in_all", maxUnackedInAll},
		{"user_sessions", maxSessions},
		{"user_sessions_away", maxSessionsAway},
		{"presence_bytes", maxPresence},
		{"history_bytes", maxHistory},
		{"history_bytes_in_all", maxHistoryInAll},
		{"volume_reserve_percent", volumeReservePercent},
		{"volume_reserve_bytes", volumeReserve},
		{"volume_reserve_files", volumeReserveFiles},
		{"garbage_bytes", maxGarbage},
		{"strangers_memory_percent", strangersMemoryPercent},
		{"users_memory_percent", usersMemoryPercent},
	}
}
