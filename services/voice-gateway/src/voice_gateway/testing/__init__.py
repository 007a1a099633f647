"""What tests of drivers and of calls need: phones, and the laws that every driver keeps."""
