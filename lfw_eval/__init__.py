"""Face verification accuracy on Labeled Faces in the Wild, through the pipeline that serves."""
