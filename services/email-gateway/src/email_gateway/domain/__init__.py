"""What an e-mail says: pure. `parse` reads a message; the others judge what it read.

Everything here is fed by strangers. Nothing raises for what a message contains, every loop goes forward over bytes that
`limits` bounds, and what was cut or guessed is a warning in the result. The caller keeps the message as it came.

    headers, words, parameters, addresses, dates     the header, scanned by hand: the standard library's parser of
                                                     structured headers raises and takes quadratic time
    parts, transfer, charsets, files, winmail        the body: its tree, encodings, character sets, files
    plain, markup, quotes, sanitise, language        what a person wrote, and what they only quoted
    automatic, bounces, authentication, threading    machines' mail, failures, who vouches, which conversation
"""
