"""What finds people in a picture: that of Dalal and Triggs, or a network of the user's."""
